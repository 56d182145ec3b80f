"""The client for programs with an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from asgard_pipelines.client.asked import (
    ONLINE_SERVICE,
    TRAINING_SERVICE,
    Asked,
    asked,
    entity_columns,
)
from asgard_pipelines.client.in_process import InProcess
from asgard_pipelines.client.online_features import OnlineFeatures, valid

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from asgard_pipelines.client.over_rest import AsyncOverRest
    from asgard_pipelines.settings import Settings


class AsyncFeatureStoreClient:
    """What `FeatureStoreClient` does, awaited. For one event loop."""

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings`: those of this process's environment, when None."""
        from asgard_pipelines.settings import Settings

        self._backend = _backend(settings or Settings.read())

    async def get_features_for_prediction(
        self, customer_id: Any = None, feature_service: str = ONLINE_SERVICE, **entities: Any
    ) -> dict[str, Any]:
        row = entities if customer_id is None else {"customer_id": customer_id, **entities}
        return (await self.get_online_features([row], feature_service)).rows[0]

    async def get_online_features(
        self,
        entity_rows: Sequence[Mapping[str, Any]],
        feature_service: str | None = None,
        features: Sequence[str] | None = None,
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        columns = entity_columns(entity_rows)
        wanted = asked(feature_service, features, full_feature_names, ONLINE_SERVICE)
        return await self._backend.online(wanted, columns, len(entity_rows))

    async def get_training_features(
        self,
        entity_df: pd.DataFrame,
        feature_service: str | None = None,
        features: Sequence[str] | None = None,
        full_feature_names: bool = False,
    ) -> pd.DataFrame:
        from asgard_pipelines.client.frames import asked_rows, with_features

        keys = asked_rows(entity_df, await self._backend.key_columns())
        wanted = asked(feature_service, features, full_feature_names, TRAINING_SERVICE)
        return with_features(entity_df, await self._backend.history(wanted, keys))

    async def list_feature_views(self) -> list[str]:
        return await self._backend.feature_views()

    async def list_feature_services(self) -> list[str]:
        return await self._backend.feature_services()

    async def get_feature_service_features(self, name: str) -> list[str]:
        return await self._backend.service_features(name)

    async def validate_features(
        self, entity_rows: Sequence[Mapping[str, Any]], feature_service: str = ONLINE_SERVICE
    ) -> bool:
        columns = entity_columns(entity_rows)
        found = await self._backend.online(Asked(feature_service), columns, len(entity_rows))
        return valid(columns, found)

    async def close(self) -> None:
        await self._backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _InThreads:
    """The stores, read by threads: the event loop waits for none of them."""

    def __init__(self, settings: Settings) -> None:
        self._backend = InProcess(settings)

    async def feature_views(self) -> list[str]:
        return await asyncio.to_thread(self._backend.feature_views)

    async def feature_services(self) -> list[str]:
        return await asyncio.to_thread(self._backend.feature_services)

    async def service_features(self, name: str) -> list[str]:
        return await asyncio.to_thread(self._backend.service_features, name)

    async def key_columns(self) -> set[str]:
        return await asyncio.to_thread(self._backend.key_columns)

    async def online(self, asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> OnlineFeatures:
        return await asyncio.to_thread(self._backend.online, asked, entities, rows)

    async def history(self, asked: Asked, keys: pa.Table) -> pa.Table:
        return await asyncio.to_thread(self._backend.history, asked, keys)

    async def close(self) -> None:
        self._backend.close()


def _backend(settings: Settings) -> _InThreads | AsyncOverRest:
    if settings.client_url:
        from asgard_pipelines.client.over_rest import AsyncOverRest

        return AsyncOverRest(settings)
    return _InThreads(settings)


@cache
def get_async_feature_store_client() -> AsyncFeatureStoreClient:
    """This process's asynchronous client, made from its environment at the first call."""
    return AsyncFeatureStoreClient()
