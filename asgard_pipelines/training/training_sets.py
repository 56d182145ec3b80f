"""Building training sets: rows, labels and features at pinned snapshots, split and stored in Iceberg."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, ResolvedModel
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.features import Joined, historical_features
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.content import content_hash
from asgard_pipelines.training.division import boundary, divide
from asgard_pipelines.training.labels import normalised
from asgard_pipelines.training.split import GAP, NAMES, TEST, TRAIN
from asgard_pipelines.training.training_rows import source_rows
from asgard_pipelines.training.training_set import SPLIT, TrainingSet

NAMESPACE = "training_sets"
MANIFEST = "asgard.manifest"
"""The snapshot summary's entry that holds the manifest."""
_MINUTE = "%Y-%m-%d %H:%M"
_REVISION = 1
"""Raised when the same declaration and snapshots come to give other rows."""


def build_training_set(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    resolved: ResolvedModel,
    pins: Mapping[str, Pin],
    roots: Mapping[str, int],
) -> TrainingSet:
    """Compute and store the training set of `resolved` at `pins`; the same again is found, not computed.

    Rows are the source's whose event time lies in the window and whose label is there, features
    as of each row's event time. `pins` names a snapshot of every one of `resolved.tables`; `roots`
    (external table -> snapshot id) is recorded. All of those snapshots are tagged against expiry.

    Raises:
        ColumnNotFound, TypeMismatch: the source lacks a column, or has it in another kind.
        NotEnoughSamples: no rows, or nothing left to train on or to test on.
        Invalid: no row has a feature within its view's TTL, or all rows have one time.
    """
    declared = _declaration_hash(declarations, resolved)
    key = _key(declared, resolved, pins)
    table = f"{NAMESPACE}.{resolved.model.name}"
    found = lakehouse.find(table, key) if lakehouse.exists(table) else None
    if found is not None:
        training_set = read_manifest(lakehouse, found).model_copy(update={"roots": dict(roots)})
        _protect(lakehouse, training_set, key)
        return training_set

    rows = source_rows(lakehouse, resolved, pins[resolved.source])
    parts = divide(resolved, rows)
    joined = historical_features(
        settings,
        lakehouse,
        declarations,
        rows,
        resolved.model.training_data.event_timestamp_column,
        resolved.features,
        pins,
    )
    _check_covered(lakehouse, declarations, resolved, pins, joined)
    stored = joined.table.append_column(SPLIT, pa.array(np.array(NAMES)[parts]))
    train_end, test_start = boundary(resolved, rows, parts)
    training_set = TrainingSet(
        model=resolved.model.name,
        table=table,
        snapshot_id=0,  # not known before the commit, and no part of the stored manifest
        sources=_read(pins[resolved.source], joined),
        roots=dict(roots),
        rows=len(parts),
        train_rows=int(np.sum(parts == TRAIN)),
        test_rows=int(np.sum(parts == TEST)),
        gap_rows=int(np.sum(parts == GAP)),
        train_end=train_end,
        test_start=test_start,
        content_hash=content_hash(stored),
        declaration_hash=declared,
        coverage=joined.coverage,
        label_counts=_label_counts(resolved, rows),
    )
    manifest = training_set.model_dump_json(exclude={"snapshot_id"})
    commit = lakehouse.overwrite(table, stored, key=key, properties={MANIFEST: manifest})
    training_set = training_set.model_copy(update={"snapshot_id": commit.pin.snapshot_id})
    _protect(lakehouse, training_set, key)
    return training_set


def read_manifest(lakehouse: Lakehouse, pin: Pin) -> TrainingSet:
    """The manifest of a stored training set, from the summary of its snapshot.

    Raises:
        Invalid: that snapshot is no training set.
    """
    text = lakehouse.summary(pin).get(MANIFEST)
    if text is None:
        raise Invalid(f"{pin} is no training set: its summary has no '{MANIFEST}'.", table=pin.table)
    return TrainingSet.model_validate({**json.loads(text), "snapshot_id": pin.snapshot_id})


def _declaration_hash(declarations: Declarations, resolved: ResolvedModel) -> str:
    model = resolved.model
    views = [view for view in declarations.views if view.name in resolved.views]
    on_demand = [view for view in declarations.on_demand_views if view.name in resolved.on_demand_views]
    shape = {
        "revision": _REVISION,
        "source": resolved.source,
        "entity_columns": resolved.entity_columns,
        "training_data": model.training_data.model_dump(mode="json", exclude={"entity_df_source"}),
        "features": [ref.model_dump(mode="json") for ref in resolved.features],
        "views": [
            view.model_dump(mode="json", exclude={"where", "description", "owner", "tags", "online"})
            for view in views
        ],
        "on_demand_views": [view.fingerprint for view in on_demand],
        "model_type": model.model_type,
        "split": model.split,
        "test_size": model.test_size,
        "label_horizon": model.label_horizon.total_seconds(),
        "seed": model.seed if model.split == "random" else None,
    }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _key(declared: str, resolved: ResolvedModel, pins: Mapping[str, Pin]) -> str:
    read = {table: pins[table].snapshot_id for table in resolved.tables}
    text = json.dumps([declared, read], sort_keys=True)
    return f"training_set_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _check_covered(
    lakehouse: Lakehouse,
    declarations: Declarations,
    resolved: ResolvedModel,
    pins: Mapping[str, Pin],
    joined: Joined,
) -> None:
    if not joined.coverage or max(joined.coverage.values()) > 0:
        return
    times = joined.table.column(resolved.model.training_data.event_timestamp_column)
    reasons = []
    for view in map(declarations.view, joined.coverage):
        newest = lakehouse.newest(pins[view.table], view.timestamp)
        holds = f"has rows up to {newest:{_MINUTE}}" if newest else "is empty"
        reasons.append(f"'{view.name}' {holds} and " + (f"a TTL of {view.ttl}" if view.ttl else "no TTL"))
    raise Invalid(
        f"No row of '{resolved.source}' has a feature found within its TTL. The rows' times are "
        f"{pc.min(times).as_py():{_MINUTE}} to {pc.max(times).as_py():{_MINUTE}}; {'; '.join(reasons)}. "
        "Lengthen the TTL, let the views' tables reach back to the rows, or compare the join keys.",
        feature_coverage=dict(joined.coverage),
    )


def _label_counts(resolved: ResolvedModel, rows: pa.Table) -> dict[str, int]:
    if resolved.model.model_type == "regression":
        return {}
    name = resolved.model.training_data.label_column
    counted = pc.value_counts(normalised(rows.column(name), name, "classification")).to_pylist()
    return {str(one["values"]): one["counts"] for one in sorted(counted, key=lambda one: one["values"])}


def _read(source: Pin, joined: Joined) -> dict[str, int]:
    """Table -> the snapshot id that was read. Raises Conflict: one table was read at two."""
    read: dict[str, int] = {}
    for pin in [source, *joined.reads]:
        if pin.snapshot_id is not None and read.setdefault(pin.table, pin.snapshot_id) != pin.snapshot_id:
            raise Conflict(
                f"'{pin.table}' was read at two snapshots, {read[pin.table]} and {pin.snapshot_id}."
            )
    return read


def _protect(lakehouse: Lakehouse, training_set: TrainingSet, key: str) -> None:
    """Tag every snapshot that the training set stands on, and its own, so that none expires."""
    own = {training_set.table: training_set.snapshot_id}
    for snapshots in (training_set.roots, training_set.sources, own):
        for table, snapshot_id in snapshots.items():
            # A root may move and leave the sources as they were: each of its snapshots has a tag.
            lakehouse.tag(Pin(table, snapshot_id), f"{training_set.model}.{key}.{snapshot_id}")
