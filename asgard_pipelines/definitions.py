"""The front door that `workspace.yaml` and `[tool.dg]` name: the project's graph."""

import dagster as dg

from asgard_pipelines.graph import definitions
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    return definitions(load(Settings.read()))
