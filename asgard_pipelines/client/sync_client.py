"""The client, and its functions for programs that need one client and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from asgard_pipelines.client.asked import (
    ONLINE_SERVICE,
    TRAINING_SERVICE,
    Asked,
    Backend,
    asked,
    entity_columns,
)
from asgard_pipelines.client.online_features import OnlineFeatures, valid

if TYPE_CHECKING:
    import pandas as pd

    from asgard_pipelines.settings import Settings


class FeatureStoreClient:
    """Features by one of two ways, which answer alike: `ASGARD_CLIENT_URL` says whose REST API is asked;
    where it is empty, this process reads the stores itself. Safe to use from several threads.

    Every method raises typed errors of `asgard_pipelines.errors`: over REST those that the API raised
    (FeatureViewNotFound, Invalid, Unauthenticated, Forbidden, RateLimited …), and BackendUnavailable when
    it, or a store, does not answer.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings`: those of this process's environment, when None."""
        from asgard_pipelines.settings import Settings

        self._backend = _backend(settings or Settings.read())

    def get_features_for_prediction(
        self, customer_id: Any = None, feature_service: str = ONLINE_SERVICE, **entities: Any
    ) -> dict[str, Any]:
        """The newest features of one entity, in the service's order; None where nothing is online.

        Other entities than customers are named: `…(feature_service="shop_features", shop_id=7)`.
        """
        row = entities if customer_id is None else {"customer_id": customer_id, **entities}
        return self.get_online_features([row], feature_service).rows[0]

    def get_online_features(
        self,
        entity_rows: Sequence[Mapping[str, Any]],
        feature_service: str | None = None,
        features: Sequence[str] | None = None,
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        """The newest features of many entities, with a status for each.

        Args:
            entity_rows: entity or join key -> value, of all views that are asked, and no others.
            feature_service: `churn_prediction_online`, when None.
            features: `view:feature`, instead of the service's.
            full_feature_names: a feature is called `view__feature`.
        """
        columns = entity_columns(entity_rows)
        wanted = asked(feature_service, features, full_feature_names, ONLINE_SERVICE)
        return self._backend.online(wanted, columns, len(entity_rows))

    def get_training_features(
        self,
        entity_df: pd.DataFrame,
        feature_service: str | None = None,
        features: Sequence[str] | None = None,
        full_feature_names: bool = False,
    ) -> pd.DataFrame:
        """The frame with a column more for each feature, as it was known at each row's own time.

        Args:
            entity_df: keys, `event_timestamp` (naive is UTC; without any times: as of now), and whatever
                else, such as the label. Rows keep their order and index, columns stay as they are.
            feature_service: `churn_prediction_v1`, when None.
            features: `view:feature`, instead of the service's.
            full_feature_names: a feature is called `view__feature`.
        """
        from asgard_pipelines.client.frames import asked_rows, with_features

        keys = asked_rows(entity_df, self._backend.key_columns())
        wanted = asked(feature_service, features, full_feature_names, TRAINING_SERVICE)
        return with_features(entity_df, self._backend.history(wanted, keys))

    def list_feature_views(self) -> list[str]:
        """Names, sorted."""
        return self._backend.feature_views()

    def list_feature_services(self) -> list[str]:
        """Names, sorted."""
        return self._backend.feature_services()

    def get_feature_service_features(self, name: str) -> list[str]:
        """A service's features as `view:feature`, in its order. Raises DeclarationNotFound."""
        return self._backend.service_features(name)

    def validate_features(
        self, entity_rows: Sequence[Mapping[str, Any]], feature_service: str = ONLINE_SERVICE
    ) -> bool:
        """Whether every view of the service has every row's entity online, no older than its TTL. What is
        missing or expired is logged."""
        columns = entity_columns(entity_rows)
        found = self._backend.online(Asked(feature_service), columns, len(entity_rows))
        return valid(columns, found)

    def close(self) -> None:
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _backend(settings: Settings) -> Backend:
    if settings.client_url:
        from asgard_pipelines.client.over_rest import OverRest

        return OverRest(settings)
    from asgard_pipelines.client.in_process import InProcess

    return InProcess(settings)


@cache
def get_feature_store_client() -> FeatureStoreClient:
    """This process's client, made from its environment at the first call."""
    return FeatureStoreClient()


def get_features_for_prediction(
    customer_id: Any = None, feature_service: str = ONLINE_SERVICE, **entities: Any
) -> dict[str, Any]:
    """`FeatureStoreClient.get_features_for_prediction` of this process's client."""
    return get_feature_store_client().get_features_for_prediction(customer_id, feature_service, **entities)


def get_training_features(
    entity_df: pd.DataFrame,
    feature_service: str | None = None,
    features: Sequence[str] | None = None,
    full_feature_names: bool = False,
) -> pd.DataFrame:
    """`FeatureStoreClient.get_training_features` of this process's client."""
    return get_feature_store_client().get_training_features(
        entity_df, feature_service, features, full_feature_names
    )
