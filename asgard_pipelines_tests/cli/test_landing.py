"""Rows from outside: fitted to the contract, landed once."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from asgard_pipelines.cli.landing import (
    column_types,
    content_key,
    external_table,
    fitted,
    land_rows,
    read_rows,
)
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch, Unsupported
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings

CSV = "customer,sold_at,pieces,amount\n007,2024-01-05T10:00:00,2,3.50\n008,2024-01-31T23:59:59,1,\n"


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


def _land(lakehouse: Lakehouse, shop: Declarations, path: Path) -> bool:
    sales = external_table(shop, "sales")
    rows = read_rows(path, column_types(lakehouse, sales))
    return land_rows(lakehouse, sales, rows, key=content_key(path), properties={}).landed


def test_a_csv_is_read_as_the_declared_types(
    lakehouse: Lakehouse, shop: Declarations, tmp_path: Path
) -> None:
    path = tmp_path / "january.csv"
    path.write_text(CSV)
    assert _land(lakehouse, shop, path)
    rows = lakehouse.read_table(lakehouse.pin("gold.sales")).to_pylist()
    assert rows == [
        {"customer": "007", "sold_at": datetime(2024, 1, 5, 10), "pieces": 2, "amount": 3.5},
        {"customer": "008", "sold_at": datetime(2024, 1, 31, 23, 59, 59), "pieces": 1, "amount": None},
    ]


def test_the_same_file_lands_once_whatever_it_is_called(
    lakehouse: Lakehouse, shop: Declarations, tmp_path: Path
) -> None:
    for name, lands in (("january.csv", True), ("again.csv", False)):
        (tmp_path / name).write_text(CSV)
        assert _land(lakehouse, shop, tmp_path / name) is lands
    assert lakehouse.state("gold.sales").rows == 2


def test_the_first_landing_partitions_the_table_as_declared(
    lakehouse: Lakehouse, shop: Declarations, tmp_path: Path
) -> None:
    path = tmp_path / "january.csv"
    path.write_text(CSV)
    _land(lakehouse, shop, path)
    spec = lakehouse.catalog.load("gold.sales").spec()
    assert [str(field.transform) for field in spec.fields] == ["month"]


def test_a_decimal_stays_a_decimal_and_later_text_follows_it(
    lakehouse: Lakehouse, shop: Declarations, tmp_path: Path
) -> None:
    rows = pa.table(
        {
            "customer": ["007"],
            "sold_at": pa.array([datetime(2024, 1, 1)], pa.timestamp("us")),
            "pieces": pa.array([1], pa.int64()),
            "amount": pa.array([Decimal("0.10")], pa.decimal128(10, 2)),
        }
    )
    parquet.write_table(rows, tmp_path / "one.parquet")
    _land(lakehouse, shop, tmp_path / "one.parquet")
    (tmp_path / "two.csv").write_text("customer,sold_at,pieces,amount\n7,2024-01-02T00:00:00,1,0.20\n")
    _land(lakehouse, shop, tmp_path / "two.csv")
    found = lakehouse.read_table(lakehouse.pin("gold.sales"))
    assert found.schema.field("amount").type == pa.decimal128(10, 2)
    assert sorted(found["amount"].to_pylist()) == [Decimal("0.10"), Decimal("0.20")]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.timestamp("ns", "UTC"), 1_704_110_400_000_000_123),
        (pa.timestamp("ns"), 1_704_110_400_000_000_123),
        (pa.timestamp("s", "Europe/Berlin"), 1_704_110_400),
    ],
)
def test_every_time_becomes_a_naive_utc_one_in_microseconds(
    shop: Declarations, kind: pa.DataType, value: int
) -> None:
    sales = external_table(shop, "sales")
    time = pa.array([value], pa.int64()).cast(kind)
    rows = pa.table({"customer": ["7"], "sold_at": time, "pieces": [1], "amount": [1.0], "seen_at": time})
    fit = fitted(rows, sales, {"sold_at": pa.timestamp("us")})
    for name in ("sold_at", "seen_at"):
        assert fit.schema.field(name).type == pa.timestamp("us")
        assert fit[name].to_pylist() == [datetime(2024, 1, 1, 12)]


def test_a_missing_column_is_named_before_anything_is_written(
    lakehouse: Lakehouse, shop: Declarations, tmp_path: Path
) -> None:
    (tmp_path / "short.csv").write_text("customer,sold_at,piece,amount\n7,2024-01-02T00:00:00,1,0.20\n")
    with pytest.raises(ColumnNotFound, match="Did you mean 'piece'"):
        _land(lakehouse, shop, tmp_path / "short.csv")
    assert not lakehouse.exists("gold.sales")


def test_values_that_do_not_fit_are_refused(shop: Declarations) -> None:
    rows = pa.table({"customer": ["7"], "sold_at": ["soon"], "pieces": [1], "amount": [1.0]})
    with pytest.raises(TypeMismatch, match="sold_at"):
        fitted(rows, external_table(shop, "sales"), {"sold_at": pa.timestamp("us")})


@pytest.mark.parametrize("name", ["sales", "gold.sales", "iceberg.gold.sales"])
def test_a_table_is_named_in_any_of_its_ways(shop: Declarations, name: str) -> None:
    assert external_table(shop, name).table == "gold.sales"


def test_a_table_that_asgard_builds_takes_no_rows(shop: Declarations) -> None:
    with pytest.raises(Invalid, match=r"built by Asgard from gold\.sales"):
        external_table(shop, "totals")


def test_an_undeclared_table_gets_a_suggestion(shop: Declarations) -> None:
    with pytest.raises(Invalid, match=r"Did you mean 'gold\.sales'"):
        external_table(shop, "gold.sale")


def test_a_file_of_another_kind_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"neither \.csv nor \.parquet"):
        read_rows(tmp_path / "x.xlsx", {})
    with pytest.raises(Invalid, match="cannot be read"):
        read_rows(tmp_path / "absent.csv", {})
