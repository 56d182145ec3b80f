"""Asgard about itself: how the services it stands on answer, and what its runs and users did."""

from asgard_pipelines.monitoring.activity import (
    RowsWritten,
    RunFacts,
    connector_activity,
    pipeline_activity,
    user_activity,
)
from asgard_pipelines.monitoring.connectors import probe_connectors

__all__ = [
    "RowsWritten",
    "RunFacts",
    "connector_activity",
    "pipeline_activity",
    "probe_connectors",
    "user_activity",
]
