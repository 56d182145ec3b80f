"""From which source snapshots each partition of a gold table was last computed: table properties.

`asgard.pins` is a run-length list in key order, `[[first_key, last_key, {source: snapshot_id}], …]`;
an unpartitioned table has the one key "". `asgard.watermarks` says likewise with which watermark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from asgard_pipelines.declarations import (
    GoldTable,
    fingerprint,
    next_instant,
    partition_instant,
    partition_key,
)
from asgard_pipelines.lakehouse.lakehouse import Lakehouse

PINS = "asgard.pins"
WATERMARKS = "asgard.watermarks"
DECLARATION = "asgard.declaration"
SOURCES = "asgard.sources"

WHOLE = ""
"""The key of an unpartitioned table's only partition."""

SnapshotIds = dict[str, int | None]
"""Source table -> snapshot id; None for a source that had no snapshot."""


@dataclass(frozen=True)
class Runs:
    """Values by partition key, neighbours of equal value in one run: (first key, last key, value)."""

    runs: tuple[tuple[str, str, Any], ...] = ()

    def at(self, key: str) -> Any | None:
        """The value of a key; None for a key that has none."""
        return next((value for first, last, value in self.runs if first <= key <= last), None)

    def keys(self, table: GoldTable) -> list[str]:
        return [key for first, last, _ in self.runs for key in _keys_between(table, first, last)]

    def set(self, table: GoldTable, keys: Iterable[str], value: Any) -> Runs:
        """The same with `value` at each of `keys`."""
        values = {key: self.at(key) for key in self.keys(table)} | dict.fromkeys(keys, value)
        runs: list[tuple[str, str, Any]] = []
        for key in sorted(values):
            if runs and runs[-1][2] == values[key] and _following(table, runs[-1][1]) == key:
                runs[-1] = (runs[-1][0], key, values[key])
            else:
                runs.append((key, key, values[key]))
        return Runs(tuple(runs))

    def json(self) -> str:
        return json.dumps(self.runs, sort_keys=True)

    @classmethod
    def parse(cls, text: str | None) -> Runs:
        return cls(tuple((first, last, value) for first, last, value in json.loads(text or "[]")))


@dataclass(frozen=True)
class Standing:
    """What the properties of a built table say. A table built by another declaration says nothing."""

    pins: Runs = Runs()
    watermarks: Runs = Runs()

    def properties(
        self, table: GoldTable, keys: Iterable[str], sources: SnapshotIds, watermark: str | None
    ) -> dict[str, str]:
        """The properties once `keys` are computed from `sources` too."""
        keys = list(keys)
        return {
            PINS: self.pins.set(table, keys, sources).json(),
            WATERMARKS: self.watermarks.set(table, keys, watermark).json(),
            DECLARATION: fingerprint(table),
        }


def built_state(table: GoldTable, properties: Mapping[str, str]) -> Standing:
    """What `properties` say of partitions that this declaration built."""
    if properties.get(DECLARATION) != fingerprint(table):
        return Standing()
    return Standing(Runs.parse(properties.get(PINS)), Runs.parse(properties.get(WATERMARKS)))


def pins_of(lakehouse: Lakehouse, table: GoldTable) -> list[tuple[str, str, SnapshotIds]]:
    """(first key, last key, source -> snapshot id) of the partitions built as now declared, in key order."""
    if not lakehouse.exists(table.table):
        return []
    return list(built_state(table, lakehouse.state(table.table).properties).pins.runs)


def _following(table: GoldTable, key: str) -> str | None:
    if table.partition is None:
        return None
    return partition_key(
        table.partition, next_instant(table.partition, partition_instant(table.partition, key))
    )


def _keys_between(table: GoldTable, first: str, last: str) -> list[str]:
    keys, key = [first], first
    while key < last and (following := _following(table, key)):
        keys.append(key := following)
    return keys
