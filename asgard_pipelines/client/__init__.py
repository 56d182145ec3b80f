"""Features for programs: online for a prediction, as of any time for a training.

In this process, from the stores that the settings name; or over REST, where `ASGARD_CLIENT_URL` says so. Both
give the same answers and raise the same errors::

    from asgard_pipelines.client import get_features_for_prediction, get_training_features

    features = get_features_for_prediction(customer_id="CUST_000123")
    training = get_training_features(entity_df)  # pandas: keys, and `event_timestamp`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.client.async_client import AsyncFeatureStoreClient, get_async_feature_store_client
    from asgard_pipelines.client.online_features import OnlineFeatures
    from asgard_pipelines.client.sync_client import (
        FeatureStoreClient,
        get_feature_store_client,
        get_features_for_prediction,
        get_training_features,
    )

_HOME = {
    "AsyncFeatureStoreClient": "async_client",
    "FeatureStoreClient": "sync_client",
    "OnlineFeatures": "online_features",
    "get_async_feature_store_client": "async_client",
    "get_feature_store_client": "sync_client",
    "get_features_for_prediction": "sync_client",
    "get_training_features": "sync_client",
}

__all__ = [
    "AsyncFeatureStoreClient",
    "FeatureStoreClient",
    "OnlineFeatures",
    "get_async_feature_store_client",
    "get_feature_store_client",
    "get_features_for_prediction",
    "get_training_features",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
