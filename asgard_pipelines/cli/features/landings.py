"""Generated rows into their tables: a table holds what was landed last, and nothing else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal, NamedTuple

import pyarrow as pa

from asgard_pipelines.cli.landing import column_types, external_table, fitted

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.lakehouse import Lakehouse

_LANDING = "asgard.landing"
_OURS = "generated:"


class GeneratedLanding(NamedTuple):
    """`outcome`: landed, unchanged (these very rows are there), or kept: rows are there that others landed,
    and they stay."""

    table: str
    outcome: Literal["landed", "unchanged", "kept"]
    rows: int
    snapshot: int | None


def land_generated(
    lakehouse: Lakehouse, declarations: Declarations, name: str, rows: pa.Table
) -> GeneratedLanding:
    """Puts the rows in the place of those that were generated before, as one snapshot.

    Raises:
        Invalid: no such table is declared.
        ColumnNotFound, TypeMismatch: the rows are not as it is declared.
        Conflict: somebody else has written to the table meanwhile.
    """
    declared = external_table(declarations, name)
    table = declared.table
    rows = fitted(rows, declared, column_types(lakehouse, declared))
    landing = f"{_OURS}{_digest(rows)}"
    base = lakehouse.pin(table) if lakehouse.exists(table) else None
    standing = lakehouse.summary(base).get(_LANDING, "") if base and base.snapshot_id else None
    if base and standing is not None and not (standing.startswith(_OURS) and standing != landing):
        outcome: Literal["unchanged", "kept"] = "unchanged" if standing == landing else "kept"
        return GeneratedLanding(table, outcome, lakehouse.figures(base, []).rows, base.snapshot_id)
    commit = lakehouse.overwrite(
        table,
        rows,
        key=f"{landing}:{base.snapshot_id if base else None}",  # the same rows may come back after others
        properties={_LANDING: landing},
        base=base,
    )
    return GeneratedLanding(table, "landed", rows.num_rows, commit.pin.snapshot_id)


def _digest(rows: pa.Table) -> str:
    """Of the values, in whatever chunks they come."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as stream:
        for batch in rows.replace_schema_metadata(None).combine_chunks().to_batches():
            stream.write_batch(batch)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:32]
