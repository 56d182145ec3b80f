"""Gold tables: built partition by partition, landed where rows differ, stale where sources changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import GoldTable, Watermark, Where
from asgard_pipelines.errors import ColumnNotFound, Invalid, InvalidSql, TypeMismatch
from asgard_pipelines.lakehouse import (
    Built,
    Changes,
    Lakehouse,
    OneOf,
    Pin,
    build,
    contract_problems,
    pins_of,
    roots_read,
    stale,
    watermark,
)

PURCHASES = GoldTable(
    name="purchases",
    where=Where(file="gold/purchases.yaml"),
    external=True,
    timestamp="at",
    watermark=Watermark(column="at", landed_by="month"),
)
TOTALS = """
SELECT b.customer, sum(b.amount) AS spent, count(*) AS orders, p.partition_start AS created_at
FROM asgard.partitions AS p JOIN gold.purchases AS b ON b.at < p.partition_start
GROUP BY b.customer, p.partition_start
"""
LABELS = """
SELECT b.customer, p.partition_start AS created_at, count_if(b.at >= p.partition_start) = 0 AS churned
FROM asgard.partitions AS p JOIN purchases AS b ON b.at < p.partition_start + INTERVAL '45' DAY
WHERE p.partition_start + INTERVAL '45' DAY <= p.watermark
GROUP BY b.customer, p.partition_start HAVING min(b.at) < p.partition_start
"""
MONTHS = ["2020-02", "2020-03", "2020-04"]


def _table(name: str = "totals", sql: str | None = TOTALS, **changed: Any) -> GoldTable:
    declared: dict[str, Any] = {
        "entity": "customer",
        "timestamp": "created_at",
        "partition": "monthly",
        "start": "2020-02",
        "reads": ["gold.purchases"],
    }
    return GoldTable(name=name, sql=sql, where=Where(file=f"gold/{name}.sql"), **(declared | changed))


def _buy(*rows: tuple[str, datetime, float]) -> pa.Table:
    customers, times, amounts = zip(*rows, strict=True)
    return pa.table({"customer": customers, "at": pa.array(times, pa.timestamp("us")), "amount": amounts})


JANUARY = _buy(("a", datetime(2020, 1, 5), 1.5), ("b", datetime(2020, 1, 6), 2.0))
FEBRUARY = _buy(("a", datetime(2020, 2, 7), 4.0))
MARCH = _buy(("b", datetime(2020, 3, 30), 8.0))
APRIL = _buy(("c", datetime(2020, 4, 30), 16.0))


class House:
    """The lakehouse with purchases up to March, and what the graph does with it."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self.lakehouse = lakehouse
        lakehouse.append("purchases", pa.concat_tables([JANUARY, FEBRUARY, MARCH]), key="first")

    @property
    def sources(self) -> dict[str, Pin]:
        return {"gold.purchases": self.lakehouse.pin("purchases")}

    @property
    def watermark(self) -> datetime | None:
        return watermark(self.lakehouse, PURCHASES, self.lakehouse.pin("purchases"))

    def build(self, table: GoldTable, partitions: list[str] | None = None) -> Built:
        return build(
            self.lakehouse, table, sources=self.sources, watermark=self.watermark, partitions=partitions
        )

    def stale(self, table: GoldTable, changes: Callable[..., Changes] | None = None) -> list[str]:
        times = {"gold.purchases": "at"}
        mark = self.watermark
        return stale(
            self.lakehouse, table, sources=self.sources, time_columns=times, watermark=mark, changes=changes
        )

    def rows(self, table: str = "totals") -> list[tuple[Any, ...]]:
        rows = self.lakehouse.read_table(self.lakehouse.pin(table)).to_pylist()
        return sorted(tuple(row.values()) for row in rows)

    def snapshots(self, table: str = "totals") -> int:
        return len(self.lakehouse.catalog.load(table).snapshots())

    def compact(self) -> None:
        table = self.lakehouse.catalog.load("purchases")
        table.overwrite(table.scan().to_arrow().sort_by([("at", "descending")]))


@pytest.fixture
def house(lakehouse: Lakehouse) -> House:
    return House(lakehouse)


# The watermark


def test_a_month_that_has_landed_is_complete(house: House) -> None:
    assert house.watermark == datetime(2020, 4, 1, tzinfo=UTC)


def test_whoever_lands_rows_may_state_the_watermark(house: House) -> None:
    house.lakehouse.set_properties("purchases", {"asgard.watermark": "2020-03-15T12:00:00+02:00"})
    assert house.watermark == datetime(2020, 3, 15, 10, tzinfo=UTC)
    house.lakehouse.set_properties("purchases", {"asgard.watermark": "soon"})
    with pytest.raises(Invalid, match="soon"):
        _ = house.watermark


def test_a_table_without_rows_or_a_rule_has_no_watermark(lakehouse: Lakehouse) -> None:
    pin = lakehouse.append("purchases", JANUARY.slice(0, 0), key="1").pin
    assert watermark(lakehouse, PURCHASES, pin) is None
    assert watermark(lakehouse, PURCHASES.model_copy(update={"watermark": None}), pin) is None


# Building


def test_a_build_computes_every_partition_up_to_the_watermark(house: House) -> None:
    built = house.build(_table())
    assert house.rows() == [
        ("a", 1.5, 1, datetime(2020, 2, 1)),
        ("a", 5.5, 2, datetime(2020, 3, 1)),
        ("a", 5.5, 2, datetime(2020, 4, 1)),
        ("b", 2.0, 1, datetime(2020, 2, 1)),
        ("b", 2.0, 1, datetime(2020, 3, 1)),
        ("b", 10.0, 2, datetime(2020, 4, 1)),
    ]
    assert (built.rows, built.changed, built.reads) == (6, MONTHS, [house.sources["gold.purchases"]])
    assert built.pin == house.lakehouse.pin("totals")


def test_building_again_makes_no_snapshot(house: House) -> None:
    first = house.build(_table())
    again = house.build(_table())
    assert (again.pin, again.changed, again.rows) == (first.pin, [], 6)
    assert house.snapshots() == 1


@pytest.mark.parametrize(
    "order", [[[key] for key in MONTHS], [[key] for key in reversed(MONTHS)], [MONTHS[::2], MONTHS]]
)
def test_partitions_may_be_built_in_any_portions_and_order(house: House, order: list[list[str]]) -> None:
    for keys in order:
        house.build(_table(), keys)
    piecewise = house.rows()
    house.build(_table("whole"))
    assert piecewise == house.rows("whole")
    assert pins_of(house.lakehouse, _table()) == [
        ("2020-02", "2020-04", {"gold.purchases": house.sources["gold.purchases"].snapshot_id})
    ]
    assert house.stale(_table()) == []


def test_a_build_says_what_it_read_in_its_snapshot(house: House) -> None:
    built = house.build(_table())
    summary = house.lakehouse.summary(built.pin)
    properties = house.lakehouse.state("totals").properties
    read = {"gold.purchases": house.sources["gold.purchases"].snapshot_id}
    assert json.loads(summary["asgard.sources"]) == read
    assert summary["asgard.declaration"] == properties["asgard.declaration"]
    assert json.loads(properties["asgard.pins"]) == [["2020-02", "2020-04", read]]


def test_a_landing_during_a_build_is_not_in_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reads recorded are the reads made."""
    pinned, read = house.sources, house.lakehouse.read_table

    def land_and_read(pin: Pin, *args: Any, **more: Any) -> pa.Table:
        house.lakehouse.append("purchases", _buy(("z", datetime(2020, 1, 1), 99.0)), key="in the middle")
        return read(pin, *args, **more)

    monkeypatch.setattr(house.lakehouse, "read_table", land_and_read)
    built = build(house.lakehouse, _table(), sources=pinned, watermark=house.watermark)
    monkeypatch.undo()
    assert built.reads == list(pinned.values())
    assert house.sources != pinned
    assert "z" not in {row[0] for row in house.rows()}
    assert house.stale(_table()) == MONTHS


def test_only_partitions_whose_rows_differ_are_replaced(house: House) -> None:
    house.build(_table())
    files = {row["file_path"] for row in house.lakehouse.catalog.load("totals").inspect.files().to_pylist()}
    house.lakehouse.overwrite(
        "purchases", _buy(("a", datetime(2020, 2, 7), 5.0)), where=[OneOf("amount", ())], key="added"
    )
    built = house.build(_table())
    assert built.changed == ["2020-03", "2020-04"]
    kept = {row["file_path"] for row in house.lakehouse.catalog.load("totals").inspect.files().to_pylist()}
    assert len(files & kept) == 1
    assert house.snapshots() == 3  # PyIceberg makes two snapshots of an overwrite


def test_a_build_that_another_has_overtaken_compares_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.build(_table())
    overwrite, rivals = house.lakehouse.overwrite, iter([True])
    house.lakehouse.append("purchases", APRIL, key="april")

    def overtaken(*args: Any, **more: Any) -> Any:
        if next(rivals, False):
            house.lakehouse.append(
                "totals", house.lakehouse.read_table(house.lakehouse.pin("totals")), key="rival"
            )
        return overwrite(*args, **more)

    monkeypatch.setattr(house.lakehouse, "overwrite", overtaken)
    built = house.build(_table())
    assert built.changed == [*MONTHS, "2020-05"]
    assert len(house.rows()) == 9


def test_damage_is_repaired_by_building_again(house: House) -> None:
    house.build(_table())
    good = house.rows()
    foreign = pa.table(
        {"customer": ["x"], "created_at": pa.array([datetime(2020, 3, 9)], pa.timestamp("us"))}
    )
    house.lakehouse.overwrite("totals", foreign, where=[OneOf("orders", (2,))], key="x")
    assert house.build(_table()).changed == ["2020-03", "2020-04"]
    assert house.rows() == good


def test_an_unpartitioned_table_is_compared_and_replaced_as_a_whole(house: House) -> None:
    table = _table(
        "counts",
        "SELECT customer, count(*) AS n FROM purchases GROUP BY 1",
        partition=None,
        start=None,
        timestamp=None,
    )
    assert house.stale(table) == [""]
    assert house.build(table).changed == [""]
    assert house.build(table).changed == []
    assert house.stale(table) == []
    house.lakehouse.append("purchases", APRIL, key="april")
    assert house.stale(table) == [""]
    assert house.build(table).changed == [""]
    assert house.rows("counts") == [("a", 2), ("b", 2), ("c", 1)]
    assert pins_of(house.lakehouse, table) == [
        ("", "", {"gold.purchases": house.sources["gold.purchases"].snapshot_id})
    ]


def test_daily_partitions_work_likewise(house: House) -> None:
    sql = """
        SELECT b.customer, count(*) AS n, p.partition_start AS created_at FROM asgard.partitions AS p
        JOIN purchases AS b ON b.at >= p.partition_start AND b.at < p.partition_end GROUP BY 1, 3
    """
    table = _table(
        "days", sql, partition="daily", start="2020-03-29", lookback=timedelta(0), lookahead=timedelta(days=1)
    )
    assert house.stale(table) == ["2020-03-29", "2020-03-30", "2020-03-31", "2020-04-01"]
    built = house.build(table, house.stale(table))
    assert built.changed == ["2020-03-30"]
    assert house.rows("days") == [("b", 1, datetime(2020, 3, 30))]
    house.lakehouse.append("purchases", _buy(("c", datetime(2020, 3, 31, 23, 59), 1.0)), key="late")
    assert house.stale(table) == ["2020-03-31"]
    assert house.build(table, ["2020-03-31"]).changed == ["2020-03-31"]


def test_a_row_outside_the_partitions_is_refused_with_its_time(house: House) -> None:
    with pytest.raises(InvalidSql, match=r"'gold\.totals' gives a row at 2020-01-05 00:00:00"):
        house.build(_table(sql="SELECT customer, at AS created_at FROM purchases ORDER BY at"))
    with pytest.raises(InvalidSql, match="without a time"):
        house.build(_table(sql="SELECT customer, nullif(at, at) AS created_at FROM purchases"))
    shifted = TOTALS.replace("p.partition_start AS created_at", "p.partition_end AS created_at")
    with pytest.raises(InvalidSql, match="2020-04-01"):
        house.build(
            _table(sql=shifted.replace("GROUP BY b.customer, p.partition_start", "GROUP BY 1, 4")),
            ["2020-03"],
        )
    assert not house.lakehouse.exists("totals")


def test_rows_may_lie_anywhere_inside_their_partition(house: House) -> None:
    sql = """
        SELECT b.customer, b.at AS created_at FROM purchases AS b
        JOIN asgard.partitions AS p ON b.at >= p.partition_start AND b.at < p.partition_end
    """
    table = _table("events", sql)
    assert house.build(table).changed == ["2020-02", "2020-03"]
    house.lakehouse.overwrite(
        "purchases",
        _buy(("a", datetime(2020, 2, 28), 4.0)),
        where=[OneOf("at", (datetime(2020, 2, 7),))],
        key="moved",
    )
    assert house.build(table).changed == ["2020-02"]
    assert house.rows("events") == [("a", datetime(2020, 2, 28)), ("b", datetime(2020, 3, 30))]


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"columns": {"spent": "int64"}}, TypeMismatch, "declared int64, and is float64"),
        ({"columns": {"spend": "float64"}}, ColumnNotFound, "Did you mean 'spent'"),
        ({"entity": "customer_id"}, ColumnNotFound, "Did you mean 'customer'"),
        ({"label": "churned"}, ColumnNotFound, "churned"),
        ({"timestamp": "spent"}, TypeMismatch, "'spent'"),
        ({"sql": TOTALS.replace(" AS spent", "")}, InvalidSql, "has no name"),
        ({"sql": TOTALS.replace(" AS spent", " AS orders")}, InvalidSql, "two columns called 'orders'"),
        ({"sql": TOTALS.replace("sum(b.amount)", "now()")}, InvalidSql, "current_timestamp"),
        (
            {"sql": TOTALS.replace("gold.purchases", "gold.refunds")},
            Invalid,
            "'gold.refunds', which has no pin",
        ),
    ],
)
def test_a_result_that_breaks_the_declaration_is_refused(
    house: House, changed: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        house.build(_table(**changed))
    assert not house.lakehouse.exists("totals")


def test_declared_types_widen_what_the_select_gives(house: House) -> None:
    sql = """
        SELECT b.customer, CAST(p.partition_start AS date) AS created_at, CAST(1 AS integer) AS n, 1.5 AS m
        FROM asgard.partitions AS p JOIN purchases AS b ON b.at < p.partition_start
    """
    table = _table("wide", sql, columns={"n": "int64", "m": "float64"})
    house.build(table)
    assert house.lakehouse.state("wide").columns == {
        "customer": "string",
        "created_at": "timestamp",
        "n": "int64",
        "m": "float64",
    }


def test_keys_that_are_none_are_refused(house: House) -> None:
    with pytest.raises(Invalid, match="2020-02-01"):
        house.build(_table(), ["2020-02-01"])
    unpartitioned = _table("counts", "SELECT 1 AS customer", partition=None, start=None, timestamp=None)
    with pytest.raises(Invalid, match="no partitions"):
        house.build(unpartitioned, ["2020-02"])
    with pytest.raises(Invalid, match="external"):
        house.build(PURCHASES)


def test_a_contract_is_held_against_an_external_table(house: House) -> None:
    pin = house.lakehouse.pin("purchases")
    assert contract_problems(house.lakehouse, PURCHASES, pin) == []
    wrong = PURCHASES.model_copy(update={"entity": ["customer_id"], "columns": {"amount": "string"}})
    first, second = contract_problems(house.lakehouse, wrong, pin)
    assert "'customer_id' not found" in first
    assert "declared string, and is float64" in second


# Staleness


def test_what_was_never_built_is_stale(house: House) -> None:
    assert house.stale(_table()) == MONTHS
    house.build(_table(), ["2020-03"])
    assert house.stale(_table()) == ["2020-02", "2020-04"]


def test_a_gap_between_built_partitions_is_stale(house: House) -> None:
    house.build(_table(), ["2020-02", "2020-04"])
    assert house.stale(_table()) == ["2020-03"]


def test_nothing_is_to_build_before_there_is_a_watermark(house: House) -> None:
    assert stale(house.lakehouse, _table(), sources=house.sources, time_columns={}, watermark=None) == []


def test_a_landing_makes_only_its_new_partition_stale(house: House) -> None:
    house.build(_table())
    house.lakehouse.append("purchases", APRIL, key="april")
    assert house.stale(_table()) == ["2020-05"]


def test_a_restated_row_makes_exactly_the_partitions_stale_that_read_it(house: House) -> None:
    table = _table()
    house.build(table)
    house.lakehouse.overwrite(
        "purchases", _buy(("a", datetime(2020, 2, 7), 5.0)), where=[OneOf("amount", (4,))], key="restated"
    )
    assert house.stale(table) == ["2020-03", "2020-04"]
    assert house.build(table, house.stale(table)).changed == ["2020-03", "2020-04"]
    assert house.stale(table) == []


def test_a_lookback_ends_what_a_restatement_reaches(house: House) -> None:
    table = _table(lookback=timedelta(days=30))
    house.build(table)
    house.lakehouse.append("purchases", _buy(("a", datetime(2020, 1, 20), 5.0)), key="late")
    assert house.stale(table) == ["2020-02"]


def test_a_lookahead_makes_earlier_partitions_stale(house: House) -> None:
    table = _table("labels", LABELS, lookahead=timedelta(days=45), label="churned")
    house.build(table)
    assert {row[1] for row in house.rows("labels")} == {datetime(2020, 2, 1)}
    house.lakehouse.append("purchases", _buy(("a", datetime(2020, 3, 17), 5.0)), key="late")
    assert house.stale(table) == ["2020-03", "2020-04"]
    house.lakehouse.append("purchases", _buy(("a", datetime(2020, 3, 16), 5.0)), key="later")
    assert house.stale(table) == MONTHS


def test_a_window_that_has_ended_without_a_row_in_it_is_built(house: House) -> None:
    """April brings nothing before the 30th, yet March's 45 days end on 15 April."""
    table = _table("labels", LABELS, lookahead=timedelta(days=45), label="churned")
    house.build(table)
    house.lakehouse.append("purchases", APRIL, key="april")
    assert house.stale(table) == ["2020-03", "2020-04", "2020-05"]
    assert house.build(table, house.stale(table)).changed == ["2020-03"]
    assert house.stale(table) == []


def test_compaction_makes_nothing_stale(house: House) -> None:
    house.build(_table())
    before = house.sources
    house.compact()
    assert house.sources != before
    assert house.stale(_table()) == []


def test_a_changed_declaration_makes_everything_stale(house: House) -> None:
    house.build(_table())
    changed = _table(sql=TOTALS.replace("count(*)", "count(*) + 1"))
    assert house.stale(changed) == MONTHS
    house.build(changed, ["2020-03"])
    assert house.stale(changed) == ["2020-02", "2020-04"]
    assert pins_of(house.lakehouse, changed)[0][:2] == ("2020-03", "2020-03")


def test_rows_before_a_start_that_has_moved_are_dropped(house: House) -> None:
    house.build(_table())
    later = _table(start="2020-03")
    assert house.stale(later) == MONTHS[1:]
    built = house.build(later)
    assert built.changed == []
    assert {row[3] for row in house.rows()} == {datetime(2020, 3, 1), datetime(2020, 4, 1)}
    assert house.build(later).pin == built.pin


def test_a_source_without_a_time_column_reaches_every_partition(house: House) -> None:
    house.build(_table())
    house.lakehouse.append("purchases", APRIL, key="april")
    keys = stale(
        house.lakehouse,
        _table(),
        sources=house.sources,
        time_columns={},
        watermark=datetime(2020, 4, 1, tzinfo=UTC),
    )
    assert keys == MONTHS


def test_an_expired_source_snapshot_makes_its_partitions_stale(house: House) -> None:
    house.build(_table())
    old = house.sources["gold.purchases"].snapshot_id
    house.compact()
    assert old is not None
    house.lakehouse.catalog.load("purchases").maintenance.expire_snapshots().by_id(old).commit()
    assert house.stale(_table()) == MONTHS


def test_each_difference_is_asked_for_once(house: House) -> None:
    house.build(_table())
    house.lakehouse.append("purchases", APRIL, key="april")
    asked: list[Pin] = []

    def changes(before: Pin, after: Pin, time_column: str | None) -> Changes:
        asked.append(before)
        return house.lakehouse.changes(before, after, time_column)

    assert house.stale(_table(), changes) == ["2020-05"]
    assert len(asked) == 1


def test_roots_are_the_newest_snapshots_that_all_partitions_reflect(house: House) -> None:
    table, first = _table(), house.sources
    house.build(table)
    house.lakehouse.append("purchases", APRIL, key="april")

    def roots() -> dict[str, int | None]:
        return roots_read(
            house.lakehouse,
            table,
            sources=house.sources,
            time_columns={"gold.purchases": "at"},
            watermark=house.watermark,
        )

    assert roots() == {"gold.purchases": first["gold.purchases"].snapshot_id}
    house.build(table, ["2020-05"])
    assert roots() == {"gold.purchases": house.sources["gold.purchases"].snapshot_id}


def test_a_source_of_decimals_and_dates_builds(lakehouse: Lakehouse) -> None:
    rows = pa.table({"customer": ["a"], "at": [date(2020, 1, 5)], "amount": [Decimal("1.10")]})
    pin = lakehouse.append("purchases", rows, key="1").pin
    mark = watermark(lakehouse, PURCHASES, pin)
    built = build(lakehouse, _table(), sources={"gold.purchases": pin}, watermark=mark)
    assert lakehouse.read_table(built.pin, ["spent"]).to_pylist() == [{"spent": Decimal("1.10")}]
