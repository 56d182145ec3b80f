"""What assets work with: the rooms, opened when first needed, and the pins of their run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.graph.row_progress import OnRows
from asgard_pipelines.graph.run_history import PLAN_TAG
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import move_pin, pin_once, run_pins, sign_in

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse, Pin


class House:
    """Opens the rooms for a run, with the settings of this process.

    Args:
        on_rows: hears how far assets are through their rows.
    """

    def __init__(self, on_rows: OnRows | None = None) -> None:
        self.on_rows = on_rows

    def run(self, run: dg.DagsterRun) -> PinnedRun:
        # One that is executed again, by hand and perhaps much later, reads what stands then.
        plan = None if run.parent_run_id else run.tags.get(PLAN_TAG)
        return PinnedRun(Settings.read(), run.run_id, plan)


class PinnedRun:
    """In one run every table is read at one snapshot: the one that was decided on, or else the first reader
    pins it for the others; and a step that writes a table moves the pin to what it wrote.

    Args:
        plan: what was decided (`keeping_up.request_for`). A landing between the decision and the run's start
            is decided after it: the run makes only the partitions that it was asked for.
    """

    def __init__(self, settings: Settings, run_id: str, plan: str | None = None) -> None:
        from asgard_pipelines.lakehouse import Lakehouse

        self.settings = settings
        self.run_id = run_id
        self.lakehouse: Lakehouse = Lakehouse(settings)
        self._decided = run_pins(settings, plan) if plan else {}
        sign_in(settings, run_id)

    def pin(self, table: str) -> Pin:
        current = self.lakehouse.pin(table)
        wanted = self._decided.get(table, current.snapshot_id)
        held = pin_once(self.settings, self.run_id, table, wanted)
        return current if held == current.snapshot_id else self.lakehouse.pin(table, held)

    def pins(self, tables: Iterable[str]) -> dict[str, Pin]:
        return {table: self.pin(table) for table in tables}

    def wrote(self, pin: Pin) -> None:
        move_pin(self.settings, self.run_id, pin.table, pin.snapshot_id)
