"""Which snapshot of a table a retrieval reads: pins that a source carries, and those given for one time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from asgard_pipelines.errors import Invalid, did_you_mean
from asgard_pipelines.lakehouse import Pin

SNAPSHOT_TAG, AS_OF_TAG = "asgard.snapshot_id", "asgard.as_of"
"""Tags of a data source: the only part of one that every installation of Feast keeps and shows."""

Moment = int | datetime
"""A snapshot's id, or an instant: the newest snapshot committed by then (a naive time is UTC)."""


class _Given:
    """The pins of one `with pinned(...)`, and which of them were used."""

    def __init__(self, pins: Mapping[str, Moment]) -> None:
        self.pins = dict(pins)
        self.used: set[str] = set()
        self.asked: set[str] = set()


_given: ContextVar[tuple[_Given, ...]] = ContextVar("pinned", default=())


@contextmanager
def pinned(pins: Mapping[str, Moment] | Iterable[Pin]) -> Iterator[None]:
    """Retrievals that are planned inside read these tables there, whatever the registry says.

    ::

        with pinned({"gold.purchases": 5720954857, "gold.visits": datetime(2026, 1, 1)}):
            job = store.get_historical_features(rows, features)
        with pinned(job.reads):  # read again exactly what that job read
            ...

    Args:
        pins: by table (`schema.table`; another catalog's: `catalog.namespace.table`) or by the data source's
            name. Of two that are open, the inner one counts.

    Raises:
        Invalid: at the end, when a name was given that nothing inside has read: most likely a slip.
    """
    if not isinstance(pins, Mapping):
        pins = {pin.table: pin.snapshot_id for pin in pins if pin.snapshot_id is not None}
    given = _Given(pins)
    token = _given.set((*_given.get(), given))
    try:
        yield
    finally:
        _given.reset(token)
    for name in sorted(set(given.pins) - given.used):
        raise Invalid(
            f"'{name}' was pinned, and no retrieval inside has read it.{did_you_mean(name, given.asked)}",
            pinned=name,
            read=sorted(given.asked),
        )


def moment_of(table: str, source: str, tags: Mapping[str, str]) -> Moment | None:
    """Where to read a table: as `pinned` says, else as the source's tags say; None for where it stands now.

    Args:
        source: the data source's name.

    Raises:
        Invalid: a tag holds something else than a snapshot's id or a time.
    """
    return _from_context((table, source)) or _from_tags(source, tags)


def tags_of(moment: Moment) -> dict[str, str]:
    """The tag that holds a pin."""
    if isinstance(moment, datetime):
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return {AS_OF_TAG: aware.isoformat()}
    return {SNAPSHOT_TAG: str(moment)}


def _from_context(names: tuple[str, ...]) -> Moment | None:
    for given in reversed(_given.get()):
        given.asked.update(names)
        for name in names:
            if name in given.pins:
                given.used.add(name)
                return given.pins[name]
    return None


def _from_tags(source: str, tags: Mapping[str, str]) -> Moment | None:
    snapshot, instant = tags.get(SNAPSHOT_TAG), tags.get(AS_OF_TAG)
    if snapshot and instant:
        raise Invalid(
            f"Source '{source}' is pinned twice: keep one of the tags {SNAPSHOT_TAG} and {AS_OF_TAG}."
        )
    try:
        return int(snapshot) if snapshot else datetime.fromisoformat(instant) if instant else None
    except ValueError:
        raise Invalid(
            f"Source '{source}' has a pin that is none: {SNAPSHOT_TAG} is a snapshot's id, {AS_OF_TAG} a "
            f"time as 2026-01-31T00:00:00+00:00, and '{snapshot or instant}' stands there.",
            source=source,
        ) from None
