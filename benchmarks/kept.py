"""What was measured so far, in a file: an hour's run that was cut short goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.child import Outcome
from benchmarks.measure import Measured


class Kept:
    """Measurements by a name of the experiment. `fresh`: what an earlier run kept is forgotten."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        self._all = json.loads(path.read_text()) if path.exists() and not fresh else {}

    def find(self, name: str) -> dict[str, Measured] | None:
        """None where nothing was kept, and where a contender failed: it is tried again."""
        if any(told["failure"] for told in self._all.get(name, {"": {"failure": "none"}}).values()):
            return None
        return {
            contender: Measured([Outcome(**one) for one in told["outcomes"]], told["failure"])
            for contender, told in self._all[name].items()
        }

    def keep(self, name: str, measured: dict[str, Measured]) -> None:
        self._all[name] = {contender: asdict(one) for contender, one in measured.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._all))
