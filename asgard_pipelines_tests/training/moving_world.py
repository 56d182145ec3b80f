"""A lakehouse in which everything happens that may happen to a table between two trainings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from pyiceberg.types import LongType, StringType

from asgard_pipelines.declarations import Declarations, GoldTable, ResolvedModel
from asgard_pipelines.lakehouse import Lakehouse, build
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import (
    Comparison,
    Reproduction,
    build_training_set,
    compare,
    reproduce,
    train_candidate,
)
from asgard_pipelines_tests.training.world import (
    DECLARATIONS,
    HERE,
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
    """A lakehouse whose tables go on living after models were trained on them."""

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
        self,
        resolved: ResolvedModel,
        framework: str = "lightgbm",
        estimator: str = "LightGBM",
        declarations: Declarations = WORLD,
        **params: object,
    ) -> ModelVersion:
        pins = {table: self.lakehouse.pin(table) for table in resolved.tables}
        roots = {"gold.accounts": self.snapshot("gold.accounts")}
        training_set = build_training_set(self.settings, self.lakehouse, declarations, resolved, pins, roots)
        one = candidate(framework, estimator, **params)
        trained = train_candidate(self.settings, self.lakehouse, declarations, resolved, one, training_set)
        return trained.version

    def snapshot(self, table: str) -> int:
        found = self.lakehouse.pin(table).snapshot_id
        assert found is not None
        return found

    def reproduce(self, version: ModelVersion) -> Reproduction:
        return reproduce(self.settings, Lakehouse(self.settings), version)

    def compare(self, a: ModelVersion, b: ModelVersion) -> Comparison:
        return compare(self.settings, Lakehouse(self.settings), a, b)

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
        """As Trino does it: the files that no snapshot needs any more go with the snapshots."""
        held = self.table(table)
        held.maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(hours=1)).commit()
        held = self.table(table)
        kept = {ref.snapshot_id for ref in held.metadata.refs.values()}
        assert {snapshot.snapshot_id for snapshot in held.snapshots()} == kept
        scans = [held.scan(snapshot_id=snapshot).plan_files() for snapshot in kept]
        needed = {_path(task.file.file_path) for tasks in scans for task in tasks}
        for path in Path(_path(held.location())).rglob("*.parquet"):
            if str(path) not in needed:
                path.unlink()

    def spoil(self) -> None:
        """Other values in a few cells of a data file, at its place."""
        (task,) = self.table("gold.visits").scan().plan_files()
        path = _path(task.file.file_path)
        rows = pq.read_table(path)
        place = rows.schema.get_field_index("visits")
        field = rows.schema.field(place)
        values = [77 if value == 7 else value for value in rows["visits"].to_pylist()]
        pq.write_table(rows.set_column(place, field, pa.array(values, field.type)), path)


def _path(location: str) -> str:
    return location.removeprefix("file://")
