"""The demo: real purchases and production runs, landed, learnt from and predicted on one machine."""

from asgard_pipelines.cli.demo.command import app

__all__ = ["app"]
