"""Where a retrieval reads a table: pins in the registry, pins given for one time, other catalogs' tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore
from feast.data_source import DataSource
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from pyiceberg.catalog import load_catalog
from pyiceberg.utils.config import Config

from asgard_pipelines.errors import Invalid, SnapshotNotFound, TableNotFound
from asgard_pipelines.features import gold, pinned
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.plain_feast import (
    NOON,
    asked,
    driver,
    feast_store,
    stats,
    stats_view,
    table,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> FeatureStore:
    return feast_store(tmp_path)


@pytest.fixture
def history(settings: Settings) -> list[tuple[Pin, datetime]]:
    """Three snapshots of gold.stats, in which driver 1 has made 1, 2 and 3 trips, and when each was made."""
    made = []
    for number in (1, 2, 3):
        pin = stats(number, key=str(number), at=NOON + number * timedelta(minutes=1)).pin
        made.append((pin, datetime.now(UTC)))
        time.sleep(0.002)
    return made


def trips(store: FeatureStore) -> Any:
    job = store.get_historical_features(asked(1), ["stats:trips"])
    (value,) = job.to_arrow()["trips"].to_pylist()
    return value, job.reads


def test_a_source_pinned_in_the_registry_is_read_there_by_whoever_opens_it(
    store: FeatureStore, history: list[tuple[Pin, datetime]], tmp_path: Path
) -> None:
    (first, _), (second, at), _ = history
    source = gold("stats", timestamp_field="at")
    for pinned_source, expected in [
        (source.at_snapshot(first.snapshot_id or 0), (1, (first,))),
        (source.as_of(at), (2, (second,))),
        (source.as_of(at.replace(tzinfo=None)).at_snapshot(first.snapshot_id or 0), (1, (first,))),
        (gold("stats", timestamp_field="at", at_snapshot=second.snapshot_id), (2, (second,))),
        (gold("stats", timestamp_field="at", as_of=at), (2, (second,))),
    ]:
        store.apply([driver, stats_view(pinned_source)])
        assert trips(feast_store(tmp_path)) == expected


def test_a_pinned_copy_leaves_its_source_as_it_was_and_has_a_name_of_its_own() -> None:
    source = gold("stats", timestamp_field="at", field_mapping={"a": "b"}, tags={"t": "x"}, owner="me")
    copy = source.at_snapshot(7)
    assert (source.name, source.tags) == ("gold.stats", {"t": "x"})
    assert (copy.name, copy.tags) == ("gold.stats@7", {"t": "x", "asgard.snapshot_id": "7"})
    assert (copy.field_mapping, copy.owner, copy.timestamp_field) == ({"a": "b"}, "me", "at")
    with pytest.raises(ValueError, match="pinned twice"):
        gold("stats", timestamp_field="at", at_snapshot=1, as_of=NOON)


def test_pins_given_for_one_time_win_over_the_registry_and_the_inner_ones_over_the_outer(
    store: FeatureStore, history: list[tuple[Pin, datetime]]
) -> None:
    (first, _), (second, at), (third, _) = history
    store.apply([driver, stats_view(gold("stats", timestamp_field="at").at_snapshot(third.snapshot_id or 0))])
    with pinned({"gold.stats": first.snapshot_id or 0}):
        job = store.get_historical_features(asked(1), ["stats:trips"])
        with pinned({"gold.stats": at}):
            assert trips(store) == (2, (second,))
    assert job.to_df()["trips"].tolist() == [1]  # planned inside
    assert trips(store) == (3, (third,))
    with pinned(job.reads):
        assert trips(store) == (1, (first,))
    with pinned({f"gold.stats@{third.snapshot_id}": at}):  # by the data source's name
        assert trips(store) == (2, (second,))


def test_a_pin_that_nothing_reads_is_a_slip(store: FeatureStore, history: list[tuple[Pin, datetime]]) -> None:
    store.apply([driver, stats_view()])
    with pytest.raises(Invalid, match=r"'gold\.stat' was pinned, .*Did you mean 'gold\.stats'"):  # noqa: SIM117
        with pinned({"gold.stat": 1}):
            trips(store)
    with pytest.raises(KeyError), pinned({"gold.stat": 1}):
        raise KeyError("what went wrong inside is what is told")


def test_a_pin_that_is_none_is_refused(store: FeatureStore, history: list[tuple[Pin, datetime]]) -> None:
    source = gold("stats", timestamp_field="at")
    for tags, error, message in [
        ({"asgard.snapshot_id": "newest"}, Invalid, "has a pin that is none"),
        ({"asgard.as_of": "yesterday"}, Invalid, "has a pin that is none"),
        ({"asgard.as_of": "2026-01-01", "asgard.snapshot_id": "1"}, Invalid, "pinned twice"),
        ({"asgard.snapshot_id": "1"}, SnapshotNotFound, "has no snapshot 1"),
        ({"asgard.as_of": "1999-01-01"}, SnapshotNotFound, "no snapshot as old as 1999-01-01"),
    ]:
        source.tags = tags
        store.apply([driver, stats_view(source)])
        with pytest.raises(error, match=message):
            trips(store)


def test_the_registry_holds_upstream_s_own_source_without_an_address(store: FeatureStore) -> None:
    source = gold("stats", timestamp_field="at", created_timestamp_column="made").at_snapshot(7)
    read = DataSource.from_proto(source.to_proto())
    assert type(read) is IcebergSource
    assert (read.catalog_name, read.warehouse, read.endpoint, read.catalog_properties) == (
        "iceberg",
        "",
        "",
        {},
    )
    assert read == source
    assert read.to_proto() == source.to_proto()


def test_a_registry_that_holds_gold_sources_as_a_type_of_their_own_is_still_read() -> None:
    now = gold("stats", timestamp_field="at", tags={"t": "x"}).to_proto()
    now.type = DataSourceProto.CUSTOM_SOURCE
    now.data_source_class_type = "asgard_pipelines.features.sources.GoldSource"
    now.custom_options.configuration = b'{"namespace": "gold", "table": "stats"}'
    assert DataSource.from_proto(now) == gold("stats", timestamp_field="at", tags={"t": "x"})


def test_an_installation_without_asgard_reads_it_by_pyiceberg_s_configuration(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats(1, 2)
    for key in ("uri", "warehouse"):
        monkeypatch.setenv(f"PYICEBERG_CATALOG__ICEBERG__{key.upper()}", settings.catalog_properties[key])
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read once per process
    read = DataSource.from_proto(gold("stats", timestamp_field="at").to_proto())
    assert type(read) is IcebergSource
    assert read.get_catalog_client().load_table("gold.stats").scan().to_arrow().num_rows == 2


@pytest.fixture
def elsewhere(tmp_path: Path) -> IcebergSource:
    """A table with two snapshots, in a catalog of somebody else's."""
    address = {"uri": f"sqlite:///{tmp_path / 'other.db'}", "warehouse": f"file://{tmp_path / 'other'}"}
    catalog = load_catalog("shop", type="sql", **address)
    catalog.create_namespace("sales")
    for number in (1, 2):
        rows = table(driver_id=[1], at=[NOON + number * timedelta(minutes=1)], trips=[number])
        catalog.create_table_if_not_exists("sales.stats", rows.schema).append(rows)
    return IcebergSource(
        catalog_type="sql",
        catalog_name="shop",
        endpoint=address["uri"],
        warehouse=address["warehouse"],
        namespace="sales",
        table="stats",
        timestamp_field="at",
    )


def test_upstream_s_source_of_any_catalog_is_read_pinned_and_written(
    store: FeatureStore, elsewhere: IcebergSource, tmp_path: Path
) -> None:
    snapshots = elsewhere.get_catalog_client().load_table("sales.stats").snapshots()
    first, second = (Pin("shop.sales.stats", snapshot.snapshot_id) for snapshot in snapshots)
    store.apply([driver, stats_view(elsewhere)])
    assert trips(feast_store(tmp_path)) == (2, (second,))
    with pinned({"shop.sales.stats": first.snapshot_id or 0}):
        assert trips(store) == (1, (first,))
    elsewhere.tags = {"asgard.snapshot_id": str(first.snapshot_id)}
    store.apply([driver, stats_view(elsewhere)])
    assert trips(feast_store(tmp_path)) == (1, (first,))
    row = table(driver_id=[1], at=[NOON + timedelta(minutes=9)], trips=[9]).to_pandas()
    with pytest.raises(Invalid, match="is pinned: what is written there would never be read"):
        store.write_to_offline_store("stats", row, allow_registry_cache=False)
    elsewhere.tags = {}
    store.apply([driver, stats_view(elsewhere)])
    store.write_to_offline_store("stats", row, allow_registry_cache=False)
    assert trips(store)[0] == 9


def test_a_table_that_is_not_there_is_named_with_its_catalog(
    store: FeatureStore, elsewhere: IcebergSource, settings: Settings
) -> None:
    store.apply([driver, stats_view()])
    with pytest.raises(TableNotFound, match=r"Table 'gold\.stats' not found"):
        trips(store)
    assert not Lakehouse(settings).exists("gold.stats")
    store.apply([driver, stats_view(elsewhere)])
    elsewhere.get_catalog_client().rename_table("sales.stats", "sales.statistics")
    with pytest.raises(TableNotFound, match=r"Did you mean 'shop\.sales\.statistics'"):
        trips(store)
