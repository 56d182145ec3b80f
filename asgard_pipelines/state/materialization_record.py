"""A run that brought a view online, as the ledger has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

MaterializationStatus = Literal["running", "completed", "failed", "interrupted"]
MaterializationKind = Literal["whole", "difference", "window", "push"]
"""A push is no run of its own: its rows were online already when they reached the table."""
MOVING = ("whole", "difference")
"""Those that bring the store to a snapshot."""


class Materialization(BaseModel):
    """One run for one view. Times are UTC; a window includes both ends.

    `store` is the store's identity (no secret in it), `asked_as` the id under which somebody asked for the
    run, `dagster_run` the run of the graph. `read_as` is the view as it was then declared, as JSON: what the
    store held before can be known only by it. `as_of`: rows dated later did not count. `remark`: why the
    whole state was written, or what happened to the watermark. `error` is None unless it failed.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    run_id: str
    asked_as: str | None = None
    dagster_run: str | None = None
    view: str
    store: str
    fingerprint: str
    table_name: str
    read_as: dict[str, Any]
    kind: MaterializationKind
    from_snapshot: int | None
    to_snapshot: int | None
    as_of: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    remark: str | None = None
    started: datetime
    finished: datetime | None = None
    rows_read: int = 0
    written: int = 0
    skipped: int = 0
    files_read: int = 0
    bytes_read: int = 0
    error: str | None = None
    interrupted: bool = False
    """Its process is no more, and it did not end."""

    @property
    def status(self) -> MaterializationStatus:
        if self.finished is None:
            return "interrupted" if self.interrupted else "running"
        return "completed" if self.error is None else "failed"

    @property
    def seconds(self) -> float | None:
        return (self.finished - self.started).total_seconds() if self.finished else None


class Figures(BaseModel):
    """What a run did; `written` counts deletions too, `skipped` the rows that the store had newer."""

    model_config = ConfigDict(frozen=True)

    rows_read: int = 0
    written: int = 0
    skipped: int = 0
    files_read: int = 0
    bytes_read: int = 0
