"""`asgard up --detach`: the house in a process of its own, which outlives the terminal."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from asgard_pipelines.cli.running import Running, running
from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings


def up_detached(settings: Settings) -> Running:
    """Starts `asgard up` and waits until all is healthy; what it says goes to `logs/up.log`.

    Raises:
        BackendUnavailable: it ended before; with what it said.
    """
    log = settings.state_folder / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "asgard_pipelines.cli", "up"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _when_healthy(settings, process, log)
    except BaseException:  # a Ctrl-C too: nothing half started is left behind
        process.terminate()
        process.wait()
        raise


def _when_healthy(settings: Settings, process: subprocess.Popen[bytes], log: Path) -> Running:
    while True:
        house = running(settings)
        if house is not None and house.pid == process.pid and house.healthy:
            return house
        if process.poll() is not None:
            raise BackendUnavailable(
                f"The house did not come up. {log} says:\n{log.read_text(errors='replace').strip()}"
            )
        time.sleep(0.2)
