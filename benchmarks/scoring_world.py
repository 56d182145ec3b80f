"""What batch scoring is measured on: declarations, a table to predict, and a trained model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import (
    Declarations,
    Entity,
    Feature,
    FeatureRef,
    FeatureView,
    Model,
    Prediction,
    ResolvedModel,
    Where,
)
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from benchmarks.data import frame
from benchmarks.lakes import Lake
from benchmarks.shapes import EASY, FEATURES, SEED, VIEWS

USED = VIEWS[:2]
"""Ten features each."""
ASKED, LABELLED, FEW = 5_000_000, 50_000, 1000
TIME = "event_timestamp"
_HERE = Where(file="benchmarks/scoring_world.py")
_PIECES = 5


@dataclass(frozen=True)
class World:
    """A home of Asgard's beside the lake of the easy case."""

    lake: Lake

    @cached_property
    def settings(self) -> Settings:
        lake = self.lake
        return Settings(
            home=lake.folder / "home",
            catalog_uri=lake.properties["uri"],
            warehouse=lake.properties["warehouse"],
            mlflow_tracking_uri=f"sqlite:///{lake.folder / 'home' / 'mlflow.db'}",
        )

    @cached_property
    def lakehouse(self) -> Lakehouse:
        return Lakehouse(self.settings)

    @property
    def rows(self) -> int:
        """How many are to be predicted."""
        return max(int(ASKED * self.lake.scale), _PIECES)

    @property
    def declarations(self) -> Declarations:
        entity = Entity(name="customer", where=_HERE, join_key="customer_id", dtype="int64")
        return Declarations(project="benchmark", entities=[entity], views=_views())

    def prediction(self, rows: str, output: str) -> Prediction:
        """Of the table `asked`, or of the `few` rows to warm up on."""
        return Prediction(
            name=output,
            where=_HERE,
            model_id="bought",
            input_table=f"gold.{rows}",
            entity_columns=["customer_id"],
            event_timestamp_column=TIME,
            feature_views=[view.name for view in USED],
            output_table=output,
        )

    def pins(self, rows: str) -> dict[str, Pin]:
        tables = [f"gold.{name}" for name in (rows, *(view.name for view in USED))]
        return {table: self.lakehouse.pin(table) for table in tables}

    def version(self) -> ModelVersion:
        return ModelRegistry(self.settings).versions("bought")[0]


def world(lake: Lake) -> World:
    """With all that scoring needs: that of an earlier run, or made now."""
    made = World(lake)
    note = lake.folder / "scoring.json"
    if not note.exists():
        made.settings.state_folder.mkdir(parents=True, exist_ok=True)
        rows = frame(EASY, made.rows, lake.scale).drop_columns(["row_id"])
        size = -(-len(rows) // _PIECES)
        for number in range(_PIECES):
            made.lakehouse.append("gold.asked", rows.slice(number * size, size), key=str(number))
        made.lakehouse.append("gold.few", rows.slice(0, FEW), key="few")
        made.lakehouse.append("gold.labelled", _labelled(lake.scale), key="labelled")
        _train(made)
        note.write_text(json.dumps({"rows": made.rows}))
    return made


def references() -> list[FeatureRef]:
    return [
        FeatureRef(view=view.name, feature=feature.name, dtype=feature.dtype)
        for view in _views()
        for feature in view.features
    ]


def _views() -> list[FeatureView]:
    return [
        FeatureView(
            name=view.name,
            where=_HERE,
            entities=["customer"],
            join_keys={"customer_id": "customer_id"},
            features=[
                Feature(name=name, dtype="float64" if number < FEATURES // 2 else "int64", column=name)
                for number, name in enumerate(view.features)
            ],
            table=f"gold.{view.name}",
            timestamp=TIME,
            created_timestamp="created",
            ttl=view.ttl,
        )
        for view in USED
    ]


def _labelled(scale: float) -> pa.Table:
    """Who bought: one in four, and no feature tells who. A tree that fits noise is as deep as another."""
    rows = frame(EASY, LABELLED, scale).drop_columns(["row_id"])
    bought = np.random.default_rng([SEED, 11]).random(len(rows)) < 0.25
    return rows.append_column("bought", pa.array(bought))


def _train(made: World) -> None:
    """A hundred trees of depth 6, trained and registered as the graph would."""
    from asgard_pipelines.training import build_training_set, train_candidate

    model = Model(
        name="bought",
        where=_HERE,
        framework="xgboost",
        model_type="classification",
        training_data={
            "entity_df_source": "labelled",
            "label_column": "bought",
            "event_timestamp_column": TIME,
        },
        hyperparameters={"params": {"n_estimators": 100, "max_depth": 6}},
        feature_views=[view.name for view in USED],
    )
    tables = ["gold.labelled", *(f"gold.{view.name}" for view in USED)]
    resolved = ResolvedModel(
        model=model,
        source="gold.labelled",
        entity_columns=["customer_id"],
        features=references(),
        views=[view.name for view in USED],
        on_demand_views=[],
        tables=sorted(tables),
        roots=sorted(tables),
    )
    pins = {table: made.lakehouse.pin(table) for table in tables}
    roots = {table: pin.snapshot_id for table, pin in pins.items() if pin.snapshot_id}
    training_set = build_training_set(made.settings, made.lakehouse, made.declarations, resolved, pins, roots)
    train_candidate(
        made.settings, made.lakehouse, made.declarations, resolved, model.all_candidates[0], training_set
    )
