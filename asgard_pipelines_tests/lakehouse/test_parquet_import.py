"""Parquet becomes a table, and only from below the storage roots."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.lakehouse import (
    Lakehouse,
    below_a_root,
    import_parquet,
    make_table,
    parquet_source,
)
from asgard_pipelines.settings import Settings


def test_only_below_a_root(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "products").mkdir(parents=True)
    (tmp_path / "lake2").mkdir()
    (lake / "out").symlink_to(tmp_path / "lake2")
    roots = f"{lake}, s3://data-lake={lake},s3://open/part"
    assert below_a_root(roots, f"{lake}/products/") == str(lake / "products")
    assert below_a_root(roots, f"file://{lake}/products") == str(lake / "products")
    assert below_a_root(roots, "s3://data-lake/products/") == str(lake / "products")
    assert below_a_root(roots, "s3://open/part/a/b.parquet") == "s3://open/part/a/b.parquet"
    for wrong in (
        str(tmp_path / "lake2"),
        f"{lake}/../lake2",
        f"{lake}/out/x.parquet",
        f"{lake}2",
        "s3://open/party/x",
        "s3://open/",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "products",
        f"{lake}/a\0b",
        f"{lake}\\..\\lake2",
        "",
    ):
        with pytest.raises(Invalid, match="ASGARD_STORAGE_ROOTS") as refused:
            below_a_root(roots, wrong)
        assert str(lake) not in refused.value.message.replace(wrong, "")
    with pytest.raises(Invalid):
        below_a_root("", "/anything")


def _write(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


def test_files_become_rows_at_snapshots_and_unchanged_ones_are_not_read_again(
    settings: Settings, tmp_path: Path
) -> None:
    lakehouse, folder = Lakehouse(settings), tmp_path / "products"
    folder.mkdir()
    _write(folder / "a.parquet", product_id=["p1", "p2"], price=[1.5, 2.5])
    _write(folder / "b.parquet", product_id=["p3"], price=[3.5])
    first = import_parquet(lakehouse, parquet_source(str(folder)), "gold.products")
    assert lakehouse.read_table(first)["price"].to_pylist() == [1.5, 2.5, 3.5]
    assert import_parquet(lakehouse, parquet_source(str(folder)), "gold.products") == first
    _write(folder / "b.parquet", product_id=["p3"], price=[9.5])
    second = import_parquet(lakehouse, parquet_source(str(folder)), "gold.products")
    assert lakehouse.read_table(second)["price"].to_pylist() == [1.5, 2.5, 9.5]
    assert lakehouse.read_table(first)["price"].to_pylist() == [1.5, 2.5, 3.5]
    os.utime(folder / "b.parquet", ns=(1, 1))
    assert import_parquet(lakehouse, parquet_source(str(folder)), "gold.products") != second


def test_a_table_of_somebody_else_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    lakehouse = Lakehouse(settings)
    lakehouse.append("gold.theirs", pa.table({"x": [1]}), key="first")
    _write(tmp_path / "a.parquet", x=[2])
    with pytest.raises(Conflict, match="made otherwise"):
        import_parquet(lakehouse, parquet_source(str(tmp_path / "a.parquet")), "gold.theirs")
    with pytest.raises(Conflict, match="made otherwise"):
        make_table(lakehouse, "gold.theirs", pa.schema([("x", pa.int64())]), "push")
    assert lakehouse.read_table(lakehouse.pin("gold.theirs"))["x"].to_pylist() == [1]


def test_a_table_for_pushes_is_made_once_and_gets_new_columns(settings: Settings) -> None:
    lakehouse = Lakehouse(settings)
    made = make_table(lakehouse, "gold.pushed", pa.schema([("id", pa.string()), ("x", pa.int64())]), "push")
    assert lakehouse.schema(made).names == ["id", "x"]
    assert make_table(lakehouse, "gold.pushed", pa.schema([("id", pa.string())]), "push") == made
    wider = make_table(
        lakehouse, "gold.pushed", pa.schema([("id", pa.string()), ("y", pa.float64())]), "push"
    )
    assert lakehouse.schema(wider).names == ["id", "x", "y"]
