"""Features from tables at pinned snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from asgard_pipelines.declarations import Declarations, Feature, FeatureRef, FeatureView, Where
from asgard_pipelines.errors import ColumnNotFound, Invalid, SnapshotNotFound, TypeMismatch
from asgard_pipelines.features import historical_features
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings

FEB, MAR, APR = datetime(1997, 2, 1), datetime(1997, 3, 1), datetime(1997, 4, 1)


def view(name: str = "orders", features: tuple[str, ...] = ("total", "spent"), **more: object) -> FeatureView:
    types = {"total": "int64", "spent": "float64", "tag": "string", "quantity": "int64", "amount": "float64"}
    return FeatureView.model_validate(
        {
            "name": name,
            "where": Where(file="repo.py"),
            "entities": ["customer"],
            "join_keys": {"customer_id": "customer_id"},
            "features": [Feature(name=f, dtype=types[f], column=f) for f in features],
            "table": "gold.aggregates",
            "timestamp": "created_at",
            "ttl": timedelta(days=31),
            **more,
        }
    )


def rows(ids: list[str | None], times: list[datetime | None]) -> pa.Table:
    return pa.table({"customer_id": pa.array(ids, pa.string()), "at": pa.array(times, pa.timestamp("us"))})


def refs(name: str, *features: str) -> list[FeatureRef]:
    return [FeatureRef(view=name, feature=feature, dtype="any") for feature in features]


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    lakehouse = Lakehouse(settings)
    table = pa.table(
        {
            "customer_id": ["a", "a", "b", "b"],
            "total": pa.array([1, 2, 7, 8], pa.int32()),
            "spent": pa.array([1, 2, 7, 8], pa.decimal128(10, 2)),
            "tag": ["x", "y", "q", "p"],
            "created_at": pa.array([FEB, MAR, MAR, MAR], pa.timestamp("us")),
            "landed_at": pa.array([FEB, APR, MAR, MAR], pa.timestamp("us")),
        }
    )
    lakehouse.append("gold.aggregates", table, key="first")
    return lakehouse


def join(lakehouse: Lakehouse, asked: pa.Table, wanted: list[FeatureRef], *views: FeatureView) -> pa.Table:
    declarations = Declarations(project="p", views=list(views))
    pins = {"gold.aggregates": lakehouse.pin("gold.aggregates")}
    return historical_features(lakehouse.settings, lakehouse, declarations, asked, "at", wanted, pins)


def test_every_row_comes_back_in_its_place_with_nulls_where_nothing_was_known(lakehouse: Lakehouse) -> None:
    asked = rows(["b", "a", None, "z", "a"], [MAR, MAR, MAR, MAR, FEB - timedelta(days=1)])
    joined = join(lakehouse, asked, refs("orders", "spent", "total"), view())
    assert joined.table.column_names == ["customer_id", "at", "spent", "total"]
    assert joined.table["total"].to_pylist() == [8, 2, None, None, None]
    assert joined.table.schema.field("total").type == pa.int64()
    assert joined.table.schema.field("spent").type == pa.float64()
    assert joined.coverage == {"orders": 0.4}
    assert joined.newest_feature_time == {"orders": MAR.replace(tzinfo=UTC)}


def test_which_of_two_equals_is_taken_does_not_depend_on_the_features_asked_for(lakehouse: Lakehouse) -> None:
    asked = rows(["b"], [MAR])
    for wanted in (["tag"], ["total"], ["tag", "total"]):
        got = join(lakehouse, asked, refs("all", *wanted), view("all", ("total", "spent", "tag"))).table
        assert [got[name].to_pylist() for name in wanted] == [{"tag": ["p"], "total": [8]}[n] for n in wanted]


def test_rows_created_later_do_not_count_when_the_view_knows_the_created_time(lakehouse: Lakehouse) -> None:
    asked = rows(["a", "a"], [MAR, APR])
    late = view(created_timestamp="landed_at", ttl=None)
    assert join(lakehouse, asked, refs("orders", "total"), late).table["total"].to_pylist() == [1, 2]


def test_a_restatement_after_the_pin_is_not_read(lakehouse: Lakehouse) -> None:
    before = lakehouse.pin("gold.aggregates")
    rewritten = lakehouse.read_table(before).set_column(1, "total", pa.array([0, 0, 0, 0], pa.int32()))
    lakehouse.overwrite("gold.aggregates", rewritten, key="second")
    joined = historical_features(
        lakehouse.settings,
        lakehouse,
        Declarations(project="p", views=[view()]),
        rows(["a"], [MAR]),
        "at",
        refs("orders", "total"),
        {"gold.aggregates": before},
    )
    assert joined.table["total"].to_pylist() == [2]
    assert joined.reads == [before]


def test_no_rows_are_no_rows_and_an_empty_table_is_all_nulls(lakehouse: Lakehouse) -> None:
    assert join(lakehouse, rows([], []), refs("orders", "total"), view()).coverage == {"orders": 0.0}
    lakehouse.overwrite(
        "gold.aggregates", lakehouse.read_table(Pin("gold.aggregates", None)).slice(0, 0), key="none"
    )
    assert join(lakehouse, rows(["a"], [MAR]), refs("orders", "total"), view()).table[
        "total"
    ].to_pylist() == [None]


def test_a_view_over_renamed_columns_is_asked_by_its_own_names(lakehouse: Lakehouse) -> None:
    renamed = view(
        features=(),
        join_keys={"client": "customer_id"},
    ).model_copy(update={"features": [Feature(name="n", dtype="int64", column="total")]})
    asked = rows(["a"], [MAR]).rename_columns(["client", "at"])
    assert join(lakehouse, asked, refs("orders", "n"), renamed).table["n"].to_pylist() == [2]


def test_what_cannot_be_answered_is_refused_by_name(lakehouse: Lakehouse) -> None:
    asked = rows(["a"], [MAR])
    with pytest.raises(ColumnNotFound, match=r"'totl' not found in 'orders'\. Did you mean 'total'"):
        join(lakehouse, asked, refs("orders", "totl"), view())
    with pytest.raises(ColumnNotFound, match="'customer_id' not found"):
        join(lakehouse, asked.drop_columns(["customer_id"]), refs("orders", "total"), view())
    with pytest.raises(Invalid, match="Two columns would be called at"):
        join(lakehouse, asked, refs("orders", "at"), view())
    wrong = view().model_copy(update={"features": [Feature(name="n", dtype="int64", column="tag")]})
    with pytest.raises(TypeMismatch, match="declared int64, and column 'tag' holds"):
        join(lakehouse, asked, refs("orders", "n"), wrong)
    with pytest.raises(SnapshotNotFound, match=r"No snapshot of 'gold.aggregates'"):
        historical_features(
            lakehouse.settings,
            lakehouse,
            Declarations(project="p", views=[view()]),
            asked,
            "at",
            refs("orders", "total"),
            {},
        )


def test_the_demo_s_purchases_are_joined_as_a_loop_over_them_would(settings: Settings) -> None:
    """Raw purchases: many on one day, of which the greatest values win."""
    data = Path(__file__).parents[2] / "asgard_pipelines" / "cli" / "demo" / "data" / "purchases.parquet"
    purchases = parquet.read_table(data)
    lakehouse = Lakehouse(settings)
    lakehouse.append("gold.purchases", purchases, key="all")
    last = view(
        "last_purchase",
        features=("quantity", "amount"),
        table="gold.purchases",
        timestamp="purchased_at",
    )
    random = Random(3)
    known: dict[str, list[tuple[datetime, Decimal, int]]] = {}
    for row in purchases.to_pylist():
        known.setdefault(row["customer_id"], []).append((row["purchased_at"], row["amount"], row["quantity"]))
    asked = [
        (random.choice(list(known)), FEB + timedelta(days=random.randrange(500))) for _ in range(3000)
    ] + [(customer, times[-1][0]) for customer, times in list(known.items())[:3000]]

    def definition(customer: str, at: datetime) -> tuple[int | None, float | None]:
        seen = [one for one in known[customer] if at - timedelta(days=31) <= one[0] <= at]
        return (max(seen)[2], float(max(seen)[1])) if seen else (None, None)

    joined = historical_features(
        settings,
        lakehouse,
        Declarations(project="p", views=[last]),
        rows([customer for customer, _ in asked], [at for _, at in asked]),
        "at",
        refs("last_purchase", "quantity", "amount"),
        {"gold.purchases": lakehouse.pin("gold.purchases")},
    ).table
    found = list(zip(joined["quantity"].to_pylist(), joined["amount"].to_pylist(), strict=True))
    assert found == [definition(*one) for one in asked]
