"""Asset keys are nouns: one function per kind, so that every name is made in one place."""

from __future__ import annotations

import dagster as dg

from asgard_pipelines.declarations import (
    Declarations,
    FeatureView,
    GoldTable,
    Model,
    OnDemandView,
    Prediction,
)

ONLINE, DAYS = "online", "online_days"


def gold_key(table: GoldTable) -> dg.AssetKey:
    return dg.AssetKey(["gold", table.name])


def feature_key(view: FeatureView | OnDemandView) -> dg.AssetKey:
    return dg.AssetKey(["features", view.name])


def online_key(view: FeatureView) -> dg.AssetKey:
    return dg.AssetKey([ONLINE, view.name])


def days_key(view: FeatureView) -> dg.AssetKey:
    return dg.AssetKey([DAYS, view.name])


def training_set_key(model: Model) -> dg.AssetKey:
    return dg.AssetKey(["training_sets", model.name])


def candidate_key(model: Model, candidate: str) -> dg.AssetKey:
    return dg.AssetKey(["models", model.name, candidate])


def model_key(model: Model) -> dg.AssetKey:
    return dg.AssetKey(["models", model.name])


def prediction_key(prediction: Prediction) -> dg.AssetKey:
    return dg.AssetKey(["predictions", prediction.name])


def table_keys(declarations: Declarations) -> dict[str, dg.AssetKey]:
    """`schema.table` -> asset key, for every table that an asset stands for."""
    tables = {declared.table: gold_key(declared) for declared in declarations.gold}
    published = {p.table: prediction_key(p) for p in declarations.predictions}
    return published | tables


def view_keys(declarations: Declarations) -> dict[str, dg.AssetKey]:
    """View -> asset key, on-demand ones included."""
    return {view.name: feature_key(view) for view in declarations.all_views}
