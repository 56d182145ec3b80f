"""`asgard features`: the integration guide's features, made up and set up."""

from asgard_pipelines.cli.features.command import app

__all__ = ["app"]
