"""What plain Feast programs get from our offline store, beyond Feast's own suite (`make feast-suite`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, Field, FileSource, KafkaSource, ValueType
from feast.data_format import DeltaFormat, JsonFormat
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Bytes, Float64, Int64, String, UnixTimestamp
from pydantic import ValidationError

from asgard_pipelines.errors import ColumnNotFound, Invalid, TypeMismatch, Unsupported
from asgard_pipelines.features import gold
from asgard_pipelines.features.offline_store import IcebergOfflineStore, IcebergOfflineStoreConfig
from asgard_pipelines.features.offline_store.entity_rows import entity_rows
from asgard_pipelines.features.offline_store.opened_sources import OpenedSources
from asgard_pipelines.features.offline_store.retrieval import StreamedRetrieval
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.plain_feast import (
    HOUR,
    NOON,
    asked,
    driver,
    feast_store,
    put,
    stats,
    stats_view,
    table,
)

pytestmark = [
    # Feast's and its dependencies' own; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*is an experimental feature:RuntimeWarning"),
]
DAY = timedelta(days=1)


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> FeatureStore:
    return feast_store(tmp_path)


def trips(store: FeatureStore, rows: Any, **more: Any) -> list[Any]:
    job = store.get_historical_features(rows, ["stats:trips"], **more)
    return job.to_arrow()["trips"].to_pylist()


def test_a_commit_after_planning_changes_nothing(store: FeatureStore) -> None:
    store.apply([driver, stats_view()])
    first = stats(10, 20)
    job = store.get_historical_features(asked(1, 2), ["stats:trips"])
    second = stats(11, 21, key="second", at=NOON + HOUR / 2)
    assert job.to_df()["trips"].tolist() == [10, 20]
    assert job.reads == (first.pin,)
    later = store.get_historical_features(asked(1, 2), ["stats:trips"])
    assert (later.to_df()["trips"].tolist(), later.reads) == ([11, 21], (second.pin,))


def test_two_sources_of_one_table_read_one_snapshot(store: FeatureStore) -> None:
    stats(1)
    sources = OpenedSources(store.config)
    first = sources.open(gold("stats", timestamp_field="at"))
    stats(2, key="second")
    renamed = gold("stats", timestamp_field="at")
    renamed.name = "the same by another name"
    assert sources.open(renamed).pin == first.pin


def test_rows_come_back_whole_and_in_their_order(store: FeatureStore) -> None:
    stats(10, None)
    store.apply([driver, stats_view()])
    rows = asked(2, 1, 7, 1, 1, at=[NOON, NOON, NOON, None, NOON - HOUR], note=["a", "b", None, "d", "e"])
    got = store.get_historical_features(rows, ["stats:trips"]).to_df()
    assert got["driver_id"].tolist() == [2, 1, 7, 1, 1]
    assert got["note"].tolist() == ["a", "b", None, "d", "e"]
    assert got["trips"].astype("Int64").tolist() == [pd.NA, 10, pd.NA, pd.NA, pd.NA]
    assert got.columns.tolist() == ["driver_id", "event_timestamp", "note", "trips"]


def test_the_ttl_s_end_is_included_and_without_one_nothing_expires(store: FeatureStore) -> None:
    stats(10)
    store.apply([driver, stats_view(), stats_view(name="endless", ttl=timedelta(0))])
    rows = asked(1, 1, 1, at=[NOON + DAY, NOON + DAY + timedelta(microseconds=1), NOON + 9_999 * DAY])
    got = store.get_historical_features(rows, ["stats:trips", "endless:trips"], full_feature_names=True)
    assert got.to_arrow()["stats__trips"].to_pylist() == [10, None, None]
    assert got.to_arrow()["endless__trips"].to_pylist() == [10, 10, 10]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2026-03-29 01:30", "2026-03-29 03:30"]).tz_localize("Europe/Berlin"),
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"],
        ["2026-03-29 00:30", "2026-03-29 01:30"],
        pd.array(["2026-03-29 00:30", "2026-03-29T01:30:00Z"], "string"),
        pd.Series(
            [pd.Timestamp("2026-03-28 17:30", tz="US/Pacific"), datetime(2026, 3, 29, 1, 30)], dtype=object
        ),
        pd.to_datetime(["2026-03-29 00:30", "2026-03-29 01:30"]).astype("datetime64[s]"),
    ],
    ids=[
        "over the change to summer time",
        "offsets",
        "text",
        "pandas' own text",
        "objects of several zones",
        "seconds",
    ],
)
def test_times_of_any_zone_and_shape_mean_their_instant(store: FeatureStore, times: Any) -> None:
    for number in range(1, 5):
        stats(number, key=str(number), at=datetime(2026, 3, 28, 23) + number * HOUR)
    store.apply([driver, stats_view()])
    job = store.get_historical_features(asked(1, 1, at=times), ["stats:trips"])
    assert job.to_arrow()["trips"].to_pylist() == [1, 2]
    shown = job.to_df()["event_timestamp"]
    assert str(shown.dt.tz) == "UTC"
    assert shown.tolist() == [
        pd.Timestamp("2026-03-29 00:30", tz="UTC"),
        pd.Timestamp("2026-03-29 01:30", tz="UTC"),
    ]


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_the_rows_asked_with_stay_as_they_were(zone: str | None) -> None:
    times = pd.to_datetime([NOON]).tz_localize("UTC").tz_convert(zone)
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": times})
    before = rows.copy()
    assert entity_rows(rows, ["driver_id"]).table["event_timestamp"].to_pylist() == [NOON.replace(tzinfo=UTC)]
    pd.testing.assert_frame_equal(rows, before)


def test_the_only_column_of_times_is_the_event_time(store: FeatureStore) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    job = store.get_historical_features(pd.DataFrame({"driver_id": [1], "seen": [NOON]}), ["stats:trips"])
    assert job.to_df().columns.tolist() == ["driver_id", "seen", "trips"]
    assert job.metadata is not None
    assert job.metadata.keys == ["driver_id"]
    assert job.metadata.max_event_timestamp == NOON.replace(tzinfo=UTC)


def test_rows_without_a_time_ask_as_of_now(store: FeatureStore) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    stats(10, at=now - HOUR)
    stats(99, key="future", at=now + HOUR)
    store.apply([driver, stats_view()])
    got = store.get_historical_features(pd.DataFrame({"driver_id": [1]}), ["stats:trips"]).to_df()
    assert got["trips"].tolist() == [10]
    assert abs(got["event_timestamp"][0] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=5)


def test_times_as_text_under_another_name_are_not_taken_for_none(store: FeatureStore) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    rows = pd.DataFrame({"driver_id": [1], "seen": ["2026-03-01T13:00:00"]})
    with pytest.raises(Invalid, match="Column 'seen' of entity_df holds times as text"):
        store.get_historical_features(rows, ["stats:trips"])


def test_sql_is_refused(store: FeatureStore) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    with pytest.raises(Unsupported, match="entity_df is SQL"):
        store.get_historical_features("SELECT 1 AS driver_id, now() AS event_timestamp", ["stats:trips"])


@pytest.mark.parametrize("given", [pl.DataFrame, pa.Table.from_pandas], ids=["Polars", "Arrow"])
def test_rows_may_come_as_whatever_gives_arrow(store: FeatureStore, given: Any) -> None:
    stats(10, 20)
    store.apply([driver, stats_view()])
    assert trips(store, given(asked(2, 1))) == [20, 10]


def test_keys_that_pandas_made_floats_or_categories_still_match(store: FeatureStore) -> None:
    stats(10, 20)
    store.apply([driver, stats_view()])
    assert trips(store, asked(1.0, None, 2.0, 1.5, float("inf"))) == [10, None, 20, None, None]
    assert trips(store, asked(2, 1).astype({"driver_id": "category"})) == [20, 10]
    assert trips(store, asked(None, None)) == [None, None]


def test_no_rows_give_no_rows_with_all_columns(store: FeatureStore) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    job = store.get_historical_features(asked(), ["stats:trips"])
    assert job.to_arrow().num_rows == 0
    assert job.to_arrow().column_names == ["driver_id", "event_timestamp", "trips"]
    assert list(job.to_batches()) == [] or sum(batch.num_rows for batch in job.to_batches()) == 0


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (asked("1"), TypeMismatch, "Join key 'driver_id' holds string in the entity rows and int64"),
        (asked(1).rename(columns={"driver_id": "drivr_id"}), ColumnNotFound, "Did you mean 'drivr_id'"),
        (asked(1, trips=[3]), Invalid, "have a column trips, which a feature would be called too"),
        (asked(1, at=[5]), TypeMismatch, "holds int64, not times"),
        (asked(1, at=["noon"]), TypeMismatch, "no column of times: .*noon"),
        (asked(1, 2, note=[1, "x"]), TypeMismatch, "holds a column that has no one type"),
        (pd.concat([asked(1), asked(1)], axis=1), Invalid, "two columns called"),
    ],
)
def test_rows_that_do_not_fit_are_told_when_the_retrieval_is_planned(
    store: FeatureStore, rows: pd.DataFrame, error: type[Exception], message: str
) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    with pytest.raises(error, match=message):
        IcebergOfflineStore.get_historical_features(
            store.config, [store.get_feature_view("stats")], ["stats:trips"], rows, store.registry, "plain"
        )


def test_every_kind_of_value_comes_through_with_its_nulls(store: FeatureStore) -> None:
    columns = {
        "text": ["a", None],
        "flag": [True, None],
        "real": [0.1, None],
        "raw": [b"\x00\xff", None],
        "seen": [datetime(1969, 12, 31, 23, 59, 59, 999_999), None],
        "tags": [["x", None], None],
        "counts": [[1, 2], []],
        "flags": [[True, False], None],
        "moments": [[NOON], None],
    }
    moments = pa.array(columns["moments"], pa.list_(pa.timestamp("us")))
    rows = table(driver_id=[1, 2], at=[NOON] * 2, **{k: v for k, v in columns.items() if k != "moments"})
    put("gold.kinds", rows.append_column("moments", moments))
    kinds = {
        "text": String, "flag": Bool, "real": Float64, "raw": Bytes, "seen": UnixTimestamp,
        "tags": Array(String), "counts": Array(Int64), "flags": Array(Bool), "moments": Array(UnixTimestamp),
    }  # fmt: skip
    schema = [Field(name="driver_id", dtype=Int64), *(Field(name=n, dtype=t) for n, t in kinds.items())]
    store.apply([driver, stats_view(gold("kinds", timestamp_field="at"), name="kinds", schema=schema)])
    job = store.get_historical_features(asked(2, 1), [f"kinds:{name}" for name in kinds])
    got = job.to_arrow()
    for name in set(kinds) - {"seen", "moments"}:
        assert got[name].to_pylist() == columns[name][::-1]
    assert got["seen"].to_pylist() == [None, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    assert got["moments"].to_pylist() == [None, [NOON.replace(tzinfo=UTC)]]
    assert got.schema.field("seen").type == pa.timestamp("us", "UTC")
    frame = job.to_polars()
    assert frame.schema["seen"] == pl.Datetime("us", "UTC")
    assert frame["counts"].to_list() == [[], [1, 2]]


def test_the_schema_is_inferred_where_none_is_given(store: FeatureStore) -> None:
    rows = table(driver_id=[1], at=[NOON], seen=[NOON], tags=[["x"]], real=[1.5])
    put("gold.kinds", rows)
    store.apply([driver, stats_view(gold("kinds", timestamp_field="at"), name="kinds", schema=[])])
    found = {field.name: field.dtype for field in feast_view(store, "kinds").features}
    assert found == {"seen": UnixTimestamp, "tags": Array(String), "real": Float64}


def feast_view(store: FeatureStore, name: str) -> Any:
    return store.get_feature_view(name)


def test_composite_keys_maps_aliases_and_mappings_together(store: FeatureStore) -> None:
    city = Entity(name="city", join_keys=["city_id"], value_type=ValueType.STRING)
    rows = table(d=[1, 1, 2], c=["x", "y", "x"], t=[NOON] * 3, made=[NOON] * 3, n=[1, 2, 3])
    put("gold.pairs", rows)
    source = gold(
        "pairs",
        timestamp_field="when",
        created_timestamp_column="created",
        field_mapping={"d": "driver_id", "c": "city_id", "t": "when", "made": "created", "n": "rides"},
    )
    schema = [
        Field(name="driver_id", dtype=Int64),
        Field(name="city_id", dtype=String),
        Field(name="rides", dtype=Int64),
    ]
    view = stats_view(source, name="pairs", entities=[driver, city], schema=schema)
    service = FeatureService(
        name="both",
        features=[
            view.with_name("start").with_join_key_map({"city_id": "from"}),
            view.with_name("end").with_join_key_map({"city_id": "to"}),
        ],
    )
    store.apply([driver, city, view, service])
    rows = asked(1, 2, 1, **{"from": ["x", "x", "z"], "to": ["y", "y", "x"]})
    got = store.get_historical_features(
        rows, store.get_feature_service("both"), full_feature_names=True
    ).to_arrow()
    assert got["start__rides"].to_pylist() == [1, 3, None]
    assert got["end__rides"].to_pylist() == [2, None, 1]
    with pytest.raises(Invalid, match="Two features would be called rides"):
        IcebergOfflineStore.get_historical_features(
            store.config,
            [view.with_name("start"), view.with_name("end")],
            ["start:rides", "end:rides"],
            asked(1),
            store.registry,
            "plain",
        )


def test_a_view_without_entities_holds_for_every_row(store: FeatureStore) -> None:
    put("gold.weather", table(at=[NOON, NOON + HOUR], rain=[1.5, 2.5]))
    source = gold("weather", timestamp_field="at")
    store.apply(
        [driver, stats_view(source, name="weather", entities=[], schema=[Field(name="rain", dtype=Float64)])]
    )
    job = store.get_historical_features(asked(1, None, at=[NOON + HOUR, NOON]), ["weather:rain"])
    assert job.to_arrow()["rain"].to_pylist() == [2.5, 1.5]


def test_what_was_created_later_counts_unless_it_is_filtered(store: FeatureStore) -> None:
    rows = table(driver_id=[1, 1], at=[NOON] * 2, made=[NOON, NOON + 9 * HOUR], trips=[10, 99])
    put("gold.stats", rows)
    store.apply([driver, stats_view(gold("stats", timestamp_field="at", created_timestamp_column="made"))])
    assert trips(store, asked(1)) == [99]
    assert trips(store, asked(1), filter_by_created_timestamp=True) == [10]


def test_without_rows_every_key_is_asked_at_each_of_its_moments(store: FeatureStore) -> None:
    put(
        "gold.stats",
        table(
            driver_id=[1, 1, 2, 2, None],
            at=[NOON, NOON, NOON + HOUR, NOON - DAY, NOON],
            trips=[1, 2, 3, 4, 5],
        ),
    )
    put("gold.ratings", table(driver_id=[1], at=[NOON + 2 * HOUR], stars=[4.5]))
    ratings = stats_view(
        gold("ratings", timestamp_field="at"),
        name="ratings",
        schema=[Field(name="driver_id", dtype=Int64), Field(name="stars", dtype=Float64)],
    )
    store.apply([driver, stats_view(), ratings])
    job = store.get_historical_features(
        None, ["stats:trips", "ratings:stars"], start_date=NOON, end_date=NOON + 2 * HOUR
    )
    got = job.to_arrow()
    assert got.column_names == ["driver_id", "event_timestamp", "trips", "stars"]
    assert [tuple(row.values()) for row in got.to_pylist()] == [
        (1, NOON.replace(tzinfo=UTC), 2, None),  # of two equal rows the greater
        (2, (NOON + HOUR).replace(tzinfo=UTC), 3, None),
        (1, (NOON + 2 * HOUR).replace(tzinfo=UTC), 2, 4.5),
    ]
    assert [pin.table for pin in job.reads] == ["gold.ratings", "gold.stats"]


def test_without_rows_or_a_start_the_longest_ttl_is_asked(store: FeatureStore) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    stats(1, at=now - 2 * DAY)
    stats(2, key="second", at=now - DAY / 2)
    store.apply([driver, stats_view()])
    assert trips(store, None) == [2]


def test_batches_are_the_table_piece_by_piece_on_demand_features_included(store: FeatureStore) -> None:
    view = stats_view()

    @on_demand_feature_view(sources=[view], schema=[Field(name="twice", dtype=Int64)])
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        assert len(inputs)
        return pd.DataFrame({"twice": inputs["trips"] * 2})  # with a gap among them, pandas makes them floats

    stats(10, 20)
    store.apply([driver, view, doubled])
    rows = asked(*[1, 2] * 100_000, *[7] * 5)
    job = store.get_historical_features(rows, ["doubled:twice", "stats:trips"])
    batches = list(job.to_batches())
    assert len(batches) > 1
    assert max(batch.num_rows for batch in batches) < 100_000
    assert len({batch.schema for batch in batches}) == 1
    whole = job.to_arrow()
    assert pa.Table.from_batches(batches).cast(whole.schema).equals(whole)
    assert batches[0].schema.field("twice").type == pa.int64()
    assert whole["twice"].to_pylist()[:2] == [20, 40]
    assert whole["twice"].null_count == 5
    assert job.to_polars()["trips"].sum() == 3_000_000


def test_an_abandoned_stream_leaves_nothing_open(store: FeatureStore, tmp_path: Path) -> None:
    stats(10)
    store.apply([driver, stats_view()])
    stream = store.get_historical_features(asked(*[1] * 200_000), ["stats:trips"]).to_batches()
    assert next(stream).num_rows
    stream.close()  # type: ignore[attr-defined]


def test_the_newest_row_of_each_key_and_all_rows_of_a_range(store: FeatureStore) -> None:
    put("gold.stats", table(
        driver_id=[1, 1, 1, 2, None],
        at=[NOON, NOON + HOUR, NOON + HOUR, NOON - timedelta(microseconds=1), NOON],
        made=[NOON, NOON, None, NOON, NOON],
        count=[1, 2, 3, 4, 5],
    ))  # fmt: skip
    source = gold("stats", timestamp_field="at", created_timestamp_column="made")

    def pulled(pull: Any, start: datetime, end: datetime) -> list[tuple[Any, ...]]:
        job: StreamedRetrieval = pull(
            store.config, source, ["driver_id"], ["count"], "at", "made", start, end
        )
        got = job.to_arrow()
        assert got.column_names == ["driver_id", "count", "at", "made"]
        assert got.schema.field("at").type == pa.timestamp("us", "UTC")
        return [(row["driver_id"], row["count"]) for row in got.to_pylist()]

    latest, every = (
        IcebergOfflineStore.pull_latest_from_table_or_query,
        IcebergOfflineStore.pull_all_from_table_or_query,
    )
    assert pulled(latest, NOON, NOON + HOUR) == [(1, 2)]
    assert pulled(latest, NOON - timedelta(microseconds=1), NOON) == [(1, 1), (2, 4)]
    assert pulled(latest, NOON + 2 * HOUR, NOON + 3 * HOUR) == []
    assert pulled(every, NOON, NOON + HOUR) == [(1, 1), (1, 2), (1, 3), (None, 5)]
    assert pulled(every, NOON, NOON) == [(1, 1), (None, 5)]
    newest = IcebergOfflineStore.get_monitoring_max_timestamp(store.config, source, "at")
    assert newest == (NOON + HOUR).replace(tzinfo=UTC)


def test_files_and_folders_of_parquet_are_read_and_added_to(store: FeatureStore, tmp_path: Path) -> None:
    rows = table(driver_id=[1, 2], at=[NOON, NOON], trips=[10, 20])
    (tmp_path / "data" / "folder" / "below").mkdir(parents=True)
    pq.write_table(rows, tmp_path / "data" / "one.parquet")
    pq.write_table(rows.slice(0, 1), tmp_path / "data" / "folder" / "a.parquet")
    pq.write_table(rows.slice(1), tmp_path / "data" / "folder" / "below" / "b.parquet")
    views = [
        stats_view(FileSource(name="file", path="data/one.parquet", timestamp_field="at"), name="file"),
        stats_view(
            FileSource(name="folder", path=str(tmp_path / "data/folder"), timestamp_field="at"), name="folder"
        ),
    ]
    store.apply([driver, *views])
    refs = ["file:trips", "folder:trips"]
    for view in views:
        newest = IcebergOfflineStore.get_monitoring_max_timestamp(store.config, view.batch_source, "at")
        assert newest == NOON.replace(tzinfo=UTC)
    read = store.get_historical_features(asked(2, 1), refs, full_feature_names=True)
    assert (
        read.to_arrow()["file__trips"].to_pylist() == read.to_arrow()["folder__trips"].to_pylist() == [20, 10]
    )
    assert [pin.snapshot_id for pin in read.reads] == [None, None]
    for view in views:
        later = pd.DataFrame({"driver_id": [1], "at": [NOON + HOUR / 2], "trips": [11]})
        store.write_to_offline_store(view.name, later, allow_registry_cache=False)
    read = store.get_historical_features(asked(2, 1), refs, full_feature_names=True)
    assert (
        read.to_arrow()["file__trips"].to_pylist() == read.to_arrow()["folder__trips"].to_pylist() == [20, 11]
    )


@pytest.mark.parametrize("kind", ["file", "table"])
def test_a_source_keeps_its_types_unless_a_value_needs_more(
    store: FeatureStore, tmp_path: Path, settings: Settings, kind: str
) -> None:
    place = tmp_path / "one.parquet"
    rows = pa.table({"driver_id": pa.array([1], pa.int32()), "x": pa.array([0.5], pa.float32())})
    rows = rows.append_column("at", table(at=[NOON])["at"])
    pq.write_table(rows, place)
    put("gold.stats", rows)
    source = (
        FileSource(path=str(place), timestamp_field="at")
        if kind == "file"
        else gold("stats", timestamp_field="at")
    )
    schema = [Field(name="driver_id", dtype=Int64), Field(name="x", dtype=Float64)]
    store.apply([driver, stats_view(source, schema=schema)])
    for value, wide in [(0.25, pa.float32()), (None, pa.float32()), (0.1, pa.float64())]:
        row = pd.DataFrame({"driver_id": [1], "at": [NOON], "x": pd.Series([value], dtype="float64")})
        store.write_to_offline_store("stats", row, allow_registry_cache=False)
        opened = OpenedSources(store.config).open(source)
        assert (opened.schema.field("driver_id").type, opened.schema.field("x").type) == (pa.int32(), wide)
    text = pd.DataFrame({"driver_id": [1], "at": [NOON], "x": ["0.5"]})
    with pytest.raises(TypeMismatch, match="'x'"):
        store.write_to_offline_store("stats", text, allow_registry_cache=False)
    job = IcebergOfflineStore.pull_all_from_table_or_query(store.config, source, [], ["x"], "at")
    assert sorted(job.to_arrow()["x"].drop_null().to_pylist()) == [0.1, 0.25, 0.5]


def test_rows_written_to_a_table_are_one_commit_under_either_name(store: FeatureStore) -> None:
    put("gold.stats", table(id=[1], at=[NOON], trips=[10]))
    store.apply([driver, stats_view(gold("stats", timestamp_field="at", field_mapping={"id": "driver_id"}))])
    store.write_to_offline_store(
        "stats", pd.DataFrame({"id": [1], "at": [NOON + HOUR / 2], "trips": [11]}), allow_registry_cache=False
    )
    assert trips(store, asked(1)) == [11]
    rows = table(driver_id=[1], at=[NOON], trip=[1])
    with pytest.raises(Invalid, match="trips is missing, trip is too much"):
        IcebergOfflineStore.offline_write_batch(store.config, feast_view(store, "stats"), rows, None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (FileSource(path="x", file_format=DeltaFormat()), "DeltaFormat: files have to be Parquet"),
        (FileSource(path="s3://b/x", s3_endpoint_override="http://x"), "overrides the endpoint"),
        (
            KafkaSource(
                name="k", timestamp_field="at", message_format=JsonFormat("a int"), topic="t",
                kafka_bootstrap_servers="x",
            ),
            "is a KafkaSource: this offline store reads Iceberg tables",
        ),
    ],
)  # fmt: skip
def test_other_sources_are_refused_by_their_kind(store: FeatureStore, source: Any, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        OpenedSources(store.config).open(source)


def test_a_column_that_is_not_there_at_the_pin_is_named(store: FeatureStore) -> None:
    first = put("gold.stats", table(driver_id=[1], at=[NOON]))
    stats(10, key="second")
    store.apply([driver, stats_view(gold("stats", timestamp_field="at").at_snapshot(first.pin.snapshot_id))])
    with pytest.raises(ColumnNotFound, match=f"Column 'trips' not found in '{first.pin}'"):
        trips(store, asked(1))


@pytest.mark.parametrize("wrong", [{"thread": 2}, {"threads": 0}, {"type": "duckdb"}])
def test_the_store_takes_no_setting_it_does_not_know(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IcebergOfflineStoreConfig(**wrong)
