"""Dagster's instance of a project: its folder, its configuration, nothing outside the home."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import yaml

from asgard_pipelines.settings import Settings

_CONFIGURATION = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},  # no dialog between a newcomer and the graph
    "run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"},
    "concurrency": {
        # One at a time: a training run takes both cores and most of a gigabyte.
        "runs": {"max_concurrent_runs": 1},
        # Runs of one model, table or online view never overlap.
        "pools": {"default_limit": 1, "granularity": "run"},
    },
    "run_monitoring": {
        "enabled": True,
        "start_timeout_seconds": 180,
        "free_slots_after_run_end_seconds": 30,
    },
    "schedules": {"use_threads": True, "num_workers": 2},
    "sensors": {"use_threads": True, "num_workers": 2},
}


def prepare_instance(settings: Settings) -> Path:
    """Writes `<home>/dagster/dagster.yaml` where it is missing or outdated; the folder.

    Sets `DAGSTER_HOME` for this process and its children.
    """
    folder = settings.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        "# Written by Asgard (asgard_pipelines/graph/instance.py); changes here are overwritten.\n"
        + yaml.safe_dump(_CONFIGURATION, sort_keys=False)
    )
    path = folder / "dagster.yaml"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The project's persistent instance. Close it, or use it as a context manager."""
    prepare_instance(settings)
    return dg.DagsterInstance.from_config(str(settings.dagster_home))
