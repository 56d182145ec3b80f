"""The running house: what `asgard up` wrote down about itself."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from asgard_pipelines.settings import Settings


class Running(BaseModel):
    """`<home>/running.json`, there while a supervisor lives. Addresses are URLs."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    api: str
    dagster: str
    mlflow: str
    code_server_port: int
    healthy: bool = False
    """All has come up, once."""

    @staticmethod
    def path(settings: Settings) -> Path:
        return settings.state_folder / "running.json"


def running(settings: Settings) -> Running | None:
    """The supervisor of this home, if it lives."""
    import psutil

    try:
        written = Running.model_validate_json(Running.path(settings).read_text())
        alive = abs(psutil.Process(written.pid).create_time() - written.started) < 1
    except (FileNotFoundError, NotADirectoryError, ValidationError, psutil.NoSuchProcess):
        return None
    return written if alive else None


def answers(url: str) -> bool:
    """True if a GET of `url` gives 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (our own http address)
            return bool(response.status == 200)
    except OSError:
        return False
