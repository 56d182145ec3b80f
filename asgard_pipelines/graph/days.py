"""Days of event time, by which online views are backfilled; and spans of it that are no whole days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.errors import Invalid
from asgard_pipelines.graph.run_history import RANGE_END, RANGE_START, WINDOW_END_TAG, WINDOW_START_TAG
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import Window

_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


def days(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days of UTC that have ended. One set for all views: a run has one range of them for all of its own."""
    return dg.DailyPartitionsDefinition(start_date=f"{settings.online_since:%Y-%m-%d}", timezone="UTC")


def window_tags(settings: Settings, window: Window) -> dict[str, str]:
    """What a run is told that takes rows of a span of event time: the span, and the days wholly in it.

    Raises:
        Invalid: it ends before it begins.
    """
    start, end = window
    if start > end:
        raise Invalid(
            f"The window ends before it begins: {start.isoformat()} to {end.isoformat()}.",
            start_date=start.isoformat(),
            end_date=end.isoformat(),
        )
    tags = {WINDOW_START_TAG: start.isoformat(), WINDOW_END_TAG: end.isoformat()}
    since = datetime.combine(settings.online_since, time(), UTC)
    first = max(_midnight(_utc(start) + _DAY - _MICROSECOND), since)
    last = min(_midnight(_utc(end) + _MICROSECOND), _midnight(datetime.now(UTC))) - _DAY
    if first <= last:
        tags |= {RANGE_START: f"{first:%Y-%m-%d}", RANGE_END: f"{last:%Y-%m-%d}"}
    return tags


def asked_window(tags: Mapping[str, str]) -> Window | None:
    """The exact span that a run was asked for."""
    if WINDOW_START_TAG not in tags:
        return None
    return datetime.fromisoformat(tags[WINDOW_START_TAG]), datetime.fromisoformat(tags[WINDOW_END_TAG])


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
