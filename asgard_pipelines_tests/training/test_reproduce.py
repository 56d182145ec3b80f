"""A version can be made again, whatever has happened to its sources and declarations since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from pyiceberg.types import LongType, StringType

from asgard_pipelines.declarations import GoldTable, ResolvedModel
from asgard_pipelines.errors import SnapshotNotFound, Unsupported
from asgard_pipelines.lakehouse import Lakehouse, build
from asgard_pipelines.models import ModelRegistry, ModelVersion, Registration
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Reproduction, build_training_set, reproduce, train_candidate
from asgard_pipelines.training.origin import Origin
from asgard_pipelines_tests.training.world import (
    DECLARATIONS,
    ESTIMATORS,
    HERE,
    LABELS,
    VIEW,
    accounts,
    candidate,
    resolved_model,
)

LABELLED = GoldTable(
    name="labels",
    where=HERE,
    sql="SELECT account_id, created_at, churned, tier, value FROM gold.accounts WHERE orders IS NOT NULL",
    reads=["gold.accounts"],
)
VISITS = VIEW.model_copy(
    update={
        "name": "visits",
        "table": "gold.visits",
        "features": [
            VIEW.features[0].model_copy(update={"name": "visits", "column": "visits", "dtype": "int64"})
        ],
        "created_timestamp": "written_at",
    }
)
WORLD = DECLARATIONS.model_copy(update={"views": [VIEW, VISITS]})


def visits(seed: int) -> pa.Table:
    """Counted per account and month, some of them twice at one time: the later written one counts."""
    rows = accounts(seed=seed).select(["account_id", "created_at", "orders"])
    orders = rows["orders"].combine_chunks().cast(pa.int32())
    written = [
        time + timedelta(microseconds=-(place % 3))
        for place, time in enumerate(rows["created_at"].to_pylist())
    ]
    return pa.table(
        {
            "account_id": rows["account_id"],
            "created_at": rows["created_at"],
            "visits": orders,
            "written_at": pa.array(written, pa.timestamp("us")),
        }
    )


def declared(label: str, **fields: Any) -> ResolvedModel:
    """A model on the labels that Asgard builds, with features of two views."""
    resolved = resolved_model(label, **fields)
    ref = resolved.features[0].model_copy(update={"view": "visits", "feature": "visits"})
    return resolved.model_copy(
        update={
            "source": "gold.labels",
            "features": [*resolved.features, ref],
            "views": ["account_features", "visits"],
            "tables": ["gold.accounts", "gold.labels", "gold.visits"],
        }
    )


class World:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lakehouse = Lakehouse(settings)
        self.catalog = load_catalog("iceberg", **settings.catalog_properties)
        self.lakehouse.append("gold.accounts", accounts(), key="accounts")
        self.lakehouse.append("gold.visits", visits(1), key="visits")
        self.build_labels()

    def build_labels(self) -> None:
        sources = {"gold.accounts": self.lakehouse.pin("gold.accounts")}
        build(self.lakehouse, LABELLED, sources=sources, watermark=None)

    def train(
        self, resolved: ResolvedModel, framework: str = "lightgbm", estimator: str = "LightGBM"
    ) -> ModelVersion:
        pins = {table: self.lakehouse.pin(table) for table in resolved.tables}
        roots = {"gold.accounts": self.snapshot("gold.accounts")}
        training_set = build_training_set(self.settings, self.lakehouse, WORLD, resolved, pins, roots)
        one = candidate(framework, estimator)
        return train_candidate(self.settings, self.lakehouse, WORLD, resolved, one, training_set).version

    def snapshot(self, table: str) -> int:
        found = self.lakehouse.pin(table).snapshot_id
        assert found is not None
        return found

    def reproduce(self, version: ModelVersion) -> Reproduction:
        return reproduce(self.settings, Lakehouse(self.settings), version)

    def table(self, name: str) -> Table:
        return self.catalog.load_table(name)

    def everything(self) -> dict[str, Any]:
        """All that a writer would change."""
        registry = ModelRegistry(self.settings)
        tables = {state.table: self.table(state.table).metadata for state in self.lakehouse.tables()}
        return {**tables, "versions": registry.versions()}

    def moves_on(self) -> None:
        """New rows, restated ones, rewritten files, another schema, and then all that may expire does."""
        self.lakehouse.append("gold.visits", visits(2), key="more visits")
        self.lakehouse.overwrite("gold.accounts", accounts(500, seed=9), key="restated")
        self.build_labels()
        for table in ("gold.accounts", "gold.visits", "gold.labels"):
            self.compact(table)
        with self.table("gold.visits").update_schema() as update:
            update.update_column("visits", LongType())
            update.rename_column("written_at", "stored_at")
        with self.table("gold.accounts").update_schema() as update:
            update.delete_column("city")
            update.rename_column("spent", "outlay")
            update.add_column("country", StringType())
        with self.table("gold.accounts").update_schema() as update:
            update.add_column("city", LongType())
        self.lakehouse.append("gold.accounts", pa.table({"city": [1], "country": ["x"]}), key="after")
        for state in self.lakehouse.tables():
            self.compact(state.table)
            self.expire(state.table)

    def compact(self, table: str) -> None:
        rows = self.lakehouse.read_table(self.lakehouse.pin(table))
        self.lakehouse.overwrite(table, rows, key=f"compacted {self.snapshot(table)}")

    def expire(self, table: str) -> None:
        held = self.table(table)
        held.maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(hours=1)).commit()
        held = self.table(table)
        kept = {ref.snapshot_id for ref in held.metadata.refs.values()}
        assert {snapshot.snapshot_id for snapshot in held.snapshots()} == kept


@pytest.fixture
def world(tracked: Settings) -> World:
    return World(tracked)


def models() -> Iterator[tuple[str, str, ResolvedModel]]:
    """Twenty models: every estimator on every label, and the two other ways to divide rows."""
    for place, (label, (framework, estimator)) in enumerate(product(LABELS, ESTIMATORS)):
        resolved = declared(label)
        model = resolved.model.model_copy(update={"name": f"model_{place}", "seed": place})
        yield framework, estimator, resolved.model_copy(update={"model": model})
    yield "sklearn", "Linear", declared("tier", split="random", test_size=0.3, seed=5)
    yield "xgboost", "XGBoost", declared("value", label_horizon="45d", start_date="2024-01-20")


FEW = ["model_0", "model_2", "model_3", "model_10", "model_17", "model_tier"]
few = [one for one in models() if one[2].model.name in FEW]


@pytest.mark.parametrize(
    "chosen", [few, pytest.param(list(models()), marks=pytest.mark.reproduce)], ids=["six", "twenty"]
)
def test_rows_and_bytes_are_the_same_after_landings_compaction_expiry_and_another_schema(
    world: World, chosen: list[tuple[str, str, ResolvedModel]]
) -> None:
    versions = [world.train(resolved, framework, estimator) for framework, estimator, resolved in chosen]
    snapshots = {snapshot for version in versions for snapshot in version.sources.values()}
    world.moves_on()
    for version in versions:
        again = world.reproduce(version)
        assert again.same_rows, version.model_id
        assert again.same_model, version.model_id
        assert again.moved_libraries == {}
    assert snapshots.isdisjoint(
        {world.snapshot(table) for table in ("gold.accounts", "gold.visits", "gold.labels")}
    )


def test_nothing_is_written(world: World) -> None:
    version = world.train(declared("churned"))
    before = world.everything()
    assert world.reproduce(version).reproduced
    assert world.everything() == before


def test_the_number_of_threads_is_that_of_then(tracked: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_THREADS", "1")
    world = World(Settings.read())
    world.lakehouse.append("gold.accounts", accounts(14_000, seed=3), key="many")  # fewer are fitted in one
    world.build_labels()
    version = world.train(declared("value"), "sklearn", "HistGradientBoosting")
    monkeypatch.setenv("ASGARD_THREADS", "2")
    again = reproduce(Settings.read(), world.lakehouse, version)
    assert again.origin.threads == 1
    assert again.reproduced


def test_other_bytes_in_a_source_are_found_out(world: World) -> None:
    version = world.train(declared("churned"))
    spoil(world.table("gold.visits"))
    again = world.reproduce(version)
    assert not again.same_rows
    assert not again.same_model
    assert again.rows == again.origin.training_set.rows


def spoil(table: Table) -> None:
    """Other values in a few cells of a data file, at its place."""
    (task,) = table.scan().plan_files()
    path = task.file.file_path.removeprefix("file://")
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("visits")
    values = [77 if value == 7 else value for value in rows["visits"].to_pylist()]
    spoilt = rows.set_column(place, rows.schema.field(place), pa.array(values, rows.schema.field(place).type))
    pq.write_table(spoilt, path)


def test_a_source_without_its_tag_may_expire_and_is_told(world: World) -> None:
    version = world.train(declared("churned"))
    held = world.table("gold.visits")
    for name in held.refs():
        if name != "main":
            held.manage_snapshots().remove_tag(name).commit()
    world.lakehouse.append("gold.visits", visits(2), key="more visits")
    world.expire("gold.visits")
    with pytest.raises(SnapshotNotFound, match=r"'gold\.visits' has no snapshot"):
        world.reproduce(version)


def test_a_version_that_does_not_say_what_it_was_made_from_is_told_apart(world: World) -> None:
    version = world.train(declared("churned"))
    older = ModelRegistry(world.settings).register(
        Registration(
            model=version.model,
            key="older",
            candidate="c",
            framework="lightgbm",
            model_type="classification",
            files={"model.txt": b"tree"},
            inputs={"orders": "numeric"},
            training_table=version.training_table,
            training_snapshot_id=version.training_snapshot_id,
            sources=version.sources,
            roots=version.roots,
            content_hash=version.content_hash,
        )
    )
    with pytest.raises(Unsupported, match=r"`asgard train model_churned` makes one that does"):
        world.reproduce(older)


def test_what_another_asgard_wrote_is_refused_by_its_version() -> None:
    with pytest.raises(Unsupported, match=r"written by Asgard 9\.1.*declarations: Field required"):
        Origin.read(b'{"libraries": {"asgard": "9.1"}}', "m_20240101_000000")


def test_what_moved_since_is_named(world: World) -> None:
    again = world.reproduce(world.train(declared("churned")))
    then = again.origin.model_copy(update={"libraries": {**again.libraries, "numpy": "1.0", "gone": "2"}})
    moved = again.model_copy(update={"origin": then.model_copy(update={"threads": 999})})
    assert moved.moved_libraries == {"numpy": ("1.0", again.libraries["numpy"]), "gone": ("2", None)}
    assert "999 threads fitted it" in moved.reasons[-1]
    assert again.reasons == []
