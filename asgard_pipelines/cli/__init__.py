"""The `asgard` command: what a person does with the house, one file per command.

Loaded to print a help text in under a second, so every other room, and every vendor but
typer and rich, is imported inside the function that needs it.
"""

from asgard_pipelines.cli.command import main

__all__ = ["main"]
