"""Training sets stored in Iceberg, each a snapshot with a manifest, found again by what made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, ResolvedModel
from asgard_pipelines.errors import Invalid
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.assembly import Assembled, assemble
from asgard_pipelines.training.division import boundary
from asgard_pipelines.training.labels import normalised
from asgard_pipelines.training.split import GAP, TEST, TRAIN
from asgard_pipelines.training.training_set import TrainingSet

NAMESPACE = "training_sets"
MANIFEST = "asgard.manifest"
"""The snapshot summary's entry that holds the manifest."""
_REVISION = 2
"""Raised when the same declaration and snapshots come to give other rows, or another hash of them."""


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

    with closing(assemble(settings, lakehouse, declarations, resolved, pins)) as assembled:
        commit = lakehouse.overwrite(
            table,
            assembled.reader,
            key=key,
            properties=lambda: {MANIFEST: _manifest(resolved, assembled, table, roots, declared)},
            other_columns=True,
        )
    training_set = read_manifest(lakehouse, commit.pin).model_copy(update={"roots": dict(roots)})
    _protect(lakehouse, training_set, key)
    return training_set


def _manifest(
    resolved: ResolvedModel, assembled: Assembled, table: str, roots: Mapping[str, int], declared: str
) -> str:
    """Of rows that were read to their end, as JSON; it leaves the snapshot out, which is still to come."""
    train_end, test_start = boundary(resolved, assembled.rows, assembled.parts)
    training_set = TrainingSet(
        model=resolved.model.name,
        table=table,
        snapshot_id=0,
        sources=assembled.reads,
        roots=dict(roots),
        rows=len(assembled.parts),
        train_rows=assembled.count(TRAIN),
        test_rows=assembled.count(TEST),
        gap_rows=assembled.count(GAP),
        train_end=train_end,
        test_start=test_start,
        content_hash=assembled.content_hash,
        declaration_hash=declared,
        coverage=assembled.joined.coverage,
        label_counts=_label_counts(resolved, assembled.rows),
    )
    return training_set.model_dump_json(exclude={"snapshot_id"})


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


def _label_counts(resolved: ResolvedModel, rows: pa.Table) -> dict[str, int]:
    if resolved.model.model_type == "regression":
        return {}
    name = resolved.model.training_data.label_column
    counted = pc.value_counts(normalised(rows.column(name), name, "classification")).to_pylist()
    return {str(one["values"]): one["counts"] for one in sorted(counted, key=lambda one: one["values"])}


def _protect(lakehouse: Lakehouse, training_set: TrainingSet, key: str) -> None:
    """Tag every snapshot that the training set stands on, and its own, so that none expires."""
    own = {training_set.table: training_set.snapshot_id}
    for snapshots in (training_set.roots, training_set.sources, own):
        for table, snapshot_id in snapshots.items():
            # A root may move and leave the sources as they were: each of its snapshots has a tag.
            lakehouse.tag(Pin(table, snapshot_id), f"{training_set.model}.{key}.{snapshot_id}")
