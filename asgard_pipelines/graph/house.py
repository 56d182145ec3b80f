"""What assets work with: the rooms, opened when first needed, and the pins of their run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from asgard_pipelines.graph.row_progress import OnRows
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import move_pin, pin_once, sign_in

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse, Pin


class House:
    """Opens the rooms for a run, with the settings of this process.

    Args:
        on_rows: hears how far assets are through their rows.
    """

    def __init__(self, on_rows: OnRows | None = None) -> None:
        self.on_rows = on_rows

    def run(self, run_id: str) -> PinnedRun:
        return PinnedRun(Settings.read(), run_id)


class PinnedRun:
    """In one run every table is read at one snapshot: the first reader pins it for the others,
    and a step that writes a table moves the pin to what it wrote."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        from asgard_pipelines.lakehouse import Lakehouse

        self.settings = settings
        self.run_id = run_id
        self.lakehouse: Lakehouse = Lakehouse(settings)
        sign_in(settings, run_id)

    def pin(self, table: str) -> Pin:
        current = self.lakehouse.pin(table)
        held = pin_once(self.settings, self.run_id, table, current.snapshot_id)
        return current if held == current.snapshot_id else self.lakehouse.pin(table, held)

    def pins(self, tables: Iterable[str]) -> dict[str, Pin]:
        return {table: self.pin(table) for table in tables}

    def wrote(self, pin: Pin) -> None:
        move_pin(self.settings, self.run_id, pin.table, pin.snapshot_id)
