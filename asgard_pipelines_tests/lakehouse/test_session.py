"""DuckDB sessions are closed, whatever text may reach them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from asgard_pipelines.lakehouse.session import connect


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.db'",
        "EXPORT DATABASE '{folder}/export'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET threads = 1",
        "SELECT * FROM secret",
    ],
)
def test_a_session_reaches_nothing_outside_itself(tmp_path: Path, sql: str) -> None:
    secret = pa.table({"v": [1]})
    file = tmp_path / "file.csv"
    file.write_text("v\n1\n")
    with connect(threads=1) as session, pytest.raises(duckdb.Error):
        session.sql(sql.format(file=file, folder=tmp_path)).fetchall()
    assert secret.num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file.csv"]


def test_a_session_thinks_in_utc() -> None:
    with connect(threads=1) as session:
        assert session.sql("SELECT current_setting('TimeZone'), current_setting('threads')").fetchall() == [
            ("UTC", 1)
        ]
