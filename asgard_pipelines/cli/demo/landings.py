"""The demo's data, landed as somebody else would: purchases month by month, production runs at once, and
subscribers who are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from asgard_pipelines.cli.features.landings import land_generated
from asgard_pipelines.cli.features.synthetic import TABLES, synthetic_tables
from asgard_pipelines.cli.landing import external_table, land_rows
from asgard_pipelines.errors import Conflict

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.lakehouse import Lakehouse

PURCHASES, RUNS = "gold.purchases", "gold.production_runs"
LAST_OF_FIRST = "1998-03"
"""The demo starts with the months up to this one; `asgard demo land` lands the others."""
_DATA = Path(__file__).parent / "data"
_SUBSCRIBERS, _SUBSCRIBED_MONTHS, _SEED = 1000, 12, 0


class Landing(NamedTuple):
    table: str
    name: str
    rows: int
    snapshot: int | None


def land_first_months(lakehouse: Lakehouse, declarations: Declarations) -> Iterator[Landing]:
    """Lands what the demo starts with; what has landed already is passed over."""
    for month in [month for month in _months() if month <= LAST_OF_FIRST]:
        if not _has_landed(lakehouse, PURCHASES, month):
            yield _land(lakehouse, declarations, PURCHASES, month, _purchases(month))
    if not _has_landed(lakehouse, RUNS, "all"):
        yield _land(
            lakehouse, declarations, RUNS, "all", parquet.read_table(_DATA / "production_runs.parquet")
        )
    yield from _land_subscribers(lakehouse, declarations)


def land_next_month(lakehouse: Lakehouse, declarations: Declarations) -> tuple[Landing | None, list[str]]:
    """Lands the first month that is missing; it (None if all are there), and the months still left.

    Raises:
        Conflict: the demo has not been built yet.
    """
    missing = [month for month in _months() if not _has_landed(lakehouse, PURCHASES, month)]
    if any(month <= LAST_OF_FIRST for month in missing):
        raise Conflict("The demo's first months have not landed yet. Build it first: asgard demo --no-serve")
    if not missing:
        return None, []
    landing = _land(lakehouse, declarations, PURCHASES, missing[0], _purchases(missing[0]))
    return landing, missing[1:]


def _land_subscribers(lakehouse: Lakehouse, declarations: Declarations) -> Iterator[Landing]:
    """Those of the twelve months up to this one: what is older than its TTL is not served."""
    missing = [name for name in TABLES if not lakehouse.exists(external_table(declarations, name).table)]
    rows = synthetic_tables(_SUBSCRIBERS, _SUBSCRIBED_MONTHS, _SEED) if missing else {}
    for name in missing:
        landed = land_generated(lakehouse, declarations, name, rows[name])
        yield Landing(landed.table, "synthetic", landed.rows, landed.snapshot)


def _land(lakehouse: Lakehouse, declarations: Declarations, table: str, name: str, rows: pa.Table) -> Landing:
    commit = land_rows(
        lakehouse,
        external_table(declarations, table),
        rows,
        key=_key(table, name),
        properties={"asgard.landing": name},
    )
    return Landing(table, name, rows.num_rows, commit.pin.snapshot_id)


def _has_landed(lakehouse: Lakehouse, table: str, name: str) -> bool:
    return lakehouse.exists(table) and lakehouse.find(table, _key(table, name)) is not None


def _key(table: str, name: str) -> str:
    return f"demo:{table}:{name}"


def _months() -> list[str]:
    return sorted(set(_month_of(_all_purchases()).to_pylist()))


def _purchases(month: str) -> pa.Table:
    rows = _all_purchases()
    return rows.filter(pc.equal(_month_of(rows), month))


def _month_of(rows: pa.Table) -> pa.ChunkedArray:
    return pc.strftime(rows["purchased_at"], format="%Y-%m")


def _all_purchases() -> pa.Table:
    return parquet.read_table(_DATA / "purchases.parquet")
