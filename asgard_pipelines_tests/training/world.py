"""A small world: accounts with a feature of every kind, a label of every kind, one view over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import (
    Candidate,
    Declarations,
    Entity,
    Feature,
    FeatureRef,
    FeatureView,
    Model,
    ResolvedModel,
    Where,
)
from asgard_pipelines.training.candidates import signature_of, target_of
from asgard_pipelines.training.fitting import FittedModel, fit
from asgard_pipelines.training.hyperparameters import recipe

HERE = Where(file="tests")
START = datetime(2024, 1, 1)
FEATURES = {
    "orders": "int64",
    "spent": "float64",
    "city": "string",
    "member": "bool",
    "last_seen": "timestamp",
}
LABELS = {"churned": "classification", "tier": "classification", "value": "regression"}


def accounts(count: int = 400, seed: int = 7) -> pa.Table:
    """One row per account and month; nulls in every feature; labels that the features explain in part."""
    rng = np.random.default_rng(seed)
    orders = rng.integers(0, 20, count)
    spent = rng.gamma(2.0, 50.0, count)
    city = rng.choice(["Aachen", "Bonn", "Celle"], count, p=[0.5, 0.3, 0.2])
    member = rng.random(count) < 0.5
    months = np.sort(rng.integers(0, 10, count))
    times = [START + timedelta(days=30 * int(month)) for month in months]
    seen = [
        time - timedelta(hours=int(hours))
        for time, hours in zip(times, rng.integers(1, 700, count), strict=True)
    ]
    pull = orders / 10 + member + (city == "Bonn") + rng.normal(0, 0.5, count)
    tiers = np.array(["gold", "iron", "zinc"])[np.digitize(pull, [1.0, 2.0])]

    def holed(values: Any, kind: pa.DataType) -> pa.Array:
        return pa.array(values, type=kind, mask=rng.random(count) < 0.1)

    return pa.table(
        {
            "account_id": pa.array(np.arange(count) % 60, type=pa.int64()),
            "created_at": pa.array(times, type=pa.timestamp("us")),
            "orders": holed(orders, pa.int64()),
            "spent": holed(spent, pa.float64()),
            "city": holed(city, pa.string()),
            "member": holed(member, pa.bool_()),
            "last_seen": holed(seen, pa.timestamp("us")),
            "churned": pa.array(pull < 1.4),
            "tier": pa.array(tiers),
            "value": pa.array(pull * 10),
        }
    )


VIEW = FeatureView(
    name="account_features",
    where=HERE,
    entities=["account"],
    join_keys={"account_id": "account_id"},
    features=[Feature(name=name, dtype=dtype, column=name) for name, dtype in FEATURES.items()],
    table="gold.accounts",
    timestamp="created_at",
    ttl=timedelta(days=1),
)
DECLARATIONS = Declarations(
    project="test",
    entities=[Entity(name="account", where=HERE, join_key="account_id", dtype="int64")],
    views=[VIEW],
)


def resolved_model(
    label: str = "churned", features: list[str] | None = None, **declared: Any
) -> ResolvedModel:
    """A model of `label` on the accounts; `declared` are fields of `Model` and of its training data."""
    data = {
        "entity_df_source": "accounts",
        "label_column": label,
        "event_timestamp_column": "created_at",
        **{name: declared.pop(name) for name in ("start_date", "end_date") if name in declared},
    }
    if not declared.get("candidates"):
        declared.setdefault("framework", "lightgbm")
    declared.setdefault("model_type", LABELS.get(label, "classification"))
    model = Model(name=f"model_{label}", where=HERE, training_data=data, **declared)
    names = features or list(FEATURES)
    return ResolvedModel(
        model=model,
        source="gold.accounts",
        entity_columns=["account_id"],
        features=[FeatureRef(view="account_features", feature=n, dtype=FEATURES[n]) for n in names],
        views=["account_features"],
        on_demand_views=[],
        tables=["gold.accounts"],
        roots=["gold.accounts"],
    )


SMALL = {
    "RandomForest": {"n_estimators": 20, "max_depth": 6},
    "GradientBoosting": {"n_estimators": 20},
    "HistGradientBoosting": {"max_iter": 20},
    "Linear": {},
    "XGBoost": {"n_estimators": 20, "max_depth": 3, "subsample": 0.8},
    "LightGBM": {"n_estimators": 20, "subsample": 0.8, "colsample_bytree": 0.8},
}
ESTIMATORS = [
    ("sklearn", "RandomForest"),
    ("sklearn", "GradientBoosting"),
    ("sklearn", "HistGradientBoosting"),
    ("sklearn", "Linear"),
    ("xgboost", "XGBoost"),
    ("lightgbm", "LightGBM"),
]
TABLE = accounts()
TRAIN, TEST = TABLE.slice(0, 300), TABLE.slice(300)


def candidate(framework: str, estimator: str, **params: object) -> Candidate:
    named = estimator if framework == "sklearn" else None
    return Candidate(
        name="c",
        framework=framework,
        hyperparameters={"estimator": named, "params": {**SMALL[estimator], **params}},
    )


def fitted(chosen: Candidate, label: str, train: pa.Table = TRAIN, **declared: object) -> FittedModel:
    resolved = resolved_model(label, **declared)
    made = recipe(resolved.model, chosen)
    signature = signature_of(resolved, made, chosen, train)
    return fit(made, signature, train, target_of(signature, train), threads=2)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]
