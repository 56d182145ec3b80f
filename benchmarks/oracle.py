"""What every asked row must get, by another way: a window over all pairs, in DuckDB's SQL, over the files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.lakes import Lake
from benchmarks.shapes import VIEWS, View

FEATURES = [feature for view in VIEWS for feature in view.features]


def expected(lake: Lake, rows: int) -> Path:
    """The file with `row_id` and the 30 features of each asked row, in the order asked."""
    path = lake.folder / f"expected-{rows}.parquet"
    if not path.exists():
        with duckdb.connect() as database:
            database.execute(f"SET temp_directory = '{lake.folder}/spill'; SET memory_limit = '5GB'")
            database.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
            database.execute(f"CREATE VIEW asked AS FROM read_parquet('{lake.frame(rows)}')")
            for view in VIEWS:
                _look_up(database, lake, view)
            joins = " ".join(f"LEFT JOIN {view.name} USING (row_id)" for view in VIEWS)
            features = ", ".join(FEATURES)
            database.execute(
                f"COPY (SELECT row_id, {features} FROM asked {joins} ORDER BY row_id) TO '{path}.part'"
                " (FORMAT parquet)"
            )
        Path(f"{path}.part").rename(path)
    return path


def _look_up(database: duckdb.DuckDBPyConnection, lake: Lake, view: View) -> None:
    """Makes a table of the view's name: the features of each asked row for which there are any."""
    files = lake.files(view.name)
    database.execute(
        f"""
        CREATE OR REPLACE VIEW known AS
        SELECT list_position({files}, filename)::INTEGER AS file, file_row_number AS place, *
        FROM read_parquet({files}, filename = true, file_row_number = true)
        """
    )
    alive = ""
    if deletes := lake.deletes(view.name):
        alive = (
            f"ANTI JOIN read_parquet({deletes}) AS gone"
            " ON gone.file_path = 'file://' || known.filename AND gone.pos = known.place"
        )
    same = " AND ".join(f"alive.{key} = asked.{key}" for key in lake.shape.keys)
    ttl = "TRUE"
    if view.ttl is not None:
        seconds = int(view.ttl.total_seconds())
        ttl = f"alive.event_timestamp >= asked.event_timestamp - to_seconds({seconds})"
    database.execute(
        f"""
        CREATE TEMP TABLE winners AS
        WITH alive AS (
            SELECT file, place, event_timestamp, created, {", ".join(lake.shape.keys)} FROM known {alive}
        )
        SELECT asked.row_id, alive.file, alive.place
        FROM asked JOIN alive ON {same} AND alive.event_timestamp <= asked.event_timestamp AND {ttl}
        QUALIFY row_number() OVER (
            PARTITION BY asked.row_id ORDER BY alive.event_timestamp DESC, alive.created DESC NULLS LAST
        ) = 1
        """
    )
    database.execute(
        f"CREATE TEMP TABLE {view.name} AS SELECT row_id, {', '.join(view.features)}"
        " FROM known JOIN winners USING (file, place)"
    )
    database.execute("DROP TABLE winners")


def wrong_cells(found: pa.Table, path: Path) -> int:
    """How many of the expected cells `found` does not hold; a row that is lost has all of its cells wrong.

    Types may differ, and a NaN in a column of floats may stand for a null: only values count.
    """
    wanted = pq.read_table(path)
    order = pc.sort_indices(found["row_id"])
    ids = found["row_id"].take(order).to_numpy()
    lost = len(wanted) - len(np.unique(ids))
    once = np.flatnonzero(np.diff(ids, prepend=-1))  # of a row that came twice, its first
    twice = len(ids) - len(once)
    wrong = (lost + twice) * len(FEATURES)
    for feature in FEATURES:
        got = _numbers(found[feature].take(order))[once]
        want = _numbers(wanted[feature])[ids[once]]
        wrong += int(np.count_nonzero(~((got == want) | (np.isnan(got) & np.isnan(want)))))
    return wrong


def _numbers(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """As float64, which holds every generated integer; null is NaN."""
    numbers: np.ndarray[tuple[int], np.dtype[np.float64]] = column.cast(pa.float64()).to_numpy()
    return numbers
