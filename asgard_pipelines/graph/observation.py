"""Watching external tables: a materialization event for every landing that changed rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations, GoldTable, partition_instant, partition_key
from asgard_pipelines.errors import SnapshotNotFound
from asgard_pipelines.graph.clocks import Clock, clock_watermark, clocks
from asgard_pipelines.graph.keys import gold_key
from asgard_pipelines.graph.metadata import table_metadata
from asgard_pipelines.graph.table_checks import evaluate_external
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Difference, recall_difference, remember_difference

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Changes, Lakehouse, Pin

DATA_VERSION = "dagster/data_version"


@dataclass
class Observed:
    """What stands in the external tables now.

    `watermarks`: table -> instant (UTC). `new_keys`: clock name -> partition keys to add.
    `displaced`: clock name -> keys to take away before that; they are among the new ones.
    `events`: what Dagster is to be told. `missing`: declared tables that nobody has written yet.
    """

    pins: dict[str, Pin] = field(default_factory=dict)
    watermarks: dict[str, datetime | None] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    new_keys: dict[str, list[str]] = field(default_factory=dict)
    displaced: dict[str, list[str]] = field(default_factory=dict)
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def observe(
    settings: Settings, lakehouse: Lakehouse, declarations: Declarations, instance: dg.DagsterInstance
) -> Observed:
    """Looks at every external table and at what Dagster was last told about it."""
    from asgard_pipelines.lakehouse import watermark

    found = Observed()
    external = [table for table in declarations.gold if table.external]
    for table in external:
        if not lakehouse.exists(table.table):
            found.missing.append(table.table)
            continue
        pin = lakehouse.pin(table.table)
        found.pins[table.table] = pin
        found.watermarks[table.table] = watermark(lakehouse, table, pin)
    clock_of = clocks(declarations)
    for clock in set(clock_of.values()):
        keys = clock.keys(clock_watermark(clock, found.watermarks))
        known = instance.get_dynamic_partitions(clock.name)
        found.keys[clock.name] = keys
        first = min((key for key in keys if key not in set(known)), default=None)
        # Dagster keeps keys as they were added, and a range counts in that order: it has to be time's.
        displaced = [key for key in known if first is not None and key > first]
        found.displaced[clock.name] = displaced
        found.new_keys[clock.name] = sorted({*keys, *displaced} - (set(known) - set(displaced)))
    for table in external:
        if table.table in found.pins and found.pins[table.table].snapshot_id is not None:
            found.events += _told(settings, lakehouse, instance, table, found, clock_of.get(table.table))
    return found


def report(observed: Observed, instance: dg.DagsterInstance) -> None:
    """Tells Dagster what was observed, outside a sensor."""
    for clock, keys in observed.new_keys.items():
        for key in observed.displaced.get(clock, []):
            instance.delete_dynamic_partition(clock, key)
        if keys:
            instance.add_dynamic_partitions(clock, keys)
    for event in observed.events:
        instance.report_runless_asset_event(event)


def logical_changes(
    settings: Settings, lakehouse: Lakehouse, before: Pin, after: Pin, time_column: str | None
) -> Changes:
    """`lakehouse.changes`, remembered: two snapshots never differ otherwise than they did."""
    from asgard_pipelines.lakehouse import Changes

    if before.snapshot_id is None or after.snapshot_id is None or before == after:
        return lakehouse.changes(before, after, time_column)
    called = f"{after.table} by {time_column}" if time_column else after.table
    known = recall_difference(settings, called, before.snapshot_id, after.snapshot_id)
    if known is None:
        changes = lakehouse.changes(before, after, time_column)
        known = Difference.model_validate(changes)
        remember_difference(settings, called, before.snapshot_id, after.snapshot_id, known)
    return Changes(known.added, known.removed, known.first, known.last)


def _told(
    settings: Settings,
    lakehouse: Lakehouse,
    instance: dg.DagsterInstance,
    table: GoldTable,
    found: Observed,
    clock: Clock | None,
) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The events of a landing; none when Dagster knows this state of the rows already."""
    pin = found.pins[table.table]
    last = instance.get_latest_materialization_event(gold_key(table))
    told = (last.asset_materialization.tags or {}) if last and last.asset_materialization else {}
    keys: list[str | None] = list(found.keys[clock.name]) if clock else [None]
    changed = "first sight"
    changes = _since(settings, lakehouse, table, told.get(DATA_VERSION), pin)
    if changes is not None:
        if not changes:
            return []
        changed = f"{changes.added} rows added, {changes.removed} removed"
        if clock:
            keys = list(_reached(clock, found.keys[clock.name], changes.first, changes.last))
    mark = found.watermarks[table.table]
    metadata = table_metadata(lakehouse, pin) | {
        "asgard/changed": changed,
        **({"asgard/watermark": mark.isoformat()} if mark else {}),
    }
    landings = [
        dg.AssetMaterialization(
            gold_key(table), partition=key, metadata=metadata, tags={DATA_VERSION: str(pin.snapshot_id)}
        )
        for key in keys
    ]
    return [*landings, *evaluate_external(lakehouse, table, pin)]


def _since(
    settings: Settings, lakehouse: Lakehouse, table: GoldTable, told: str | None, pin: Pin
) -> Changes | None:
    """What changed since Dagster was told; None when it never was, or that snapshot has expired."""
    if told is None:
        return None
    try:
        before = lakehouse.pin(table.table, int(told))
    except SnapshotNotFound:
        return None
    return logical_changes(settings, lakehouse, before, pin, table.timestamp)


def _reached(clock: Clock, keys: list[str], first: datetime | None, last: datetime | None) -> list[str]:
    """Keys of the partitions that hold rows of [first, last]: partition K is complete at K, so
    it holds the rows of the period before it. At least the newest key, so that no landing is lost."""
    if first is None or last is None or not keys:
        return keys
    low, high = partition_key(clock.cadence, first), partition_key(clock.cadence, last)
    reached = [after for before, after in pairwise(keys) if low <= before <= high]
    if partition_instant(clock.cadence, keys[0]).replace(tzinfo=None) > first.replace(tzinfo=None):
        reached.insert(0, keys[0])
    return reached or keys[-1:]
