"""Features from a running API, whose address and token the settings hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from asgard_pipelines.client import rest_steps
from asgard_pipelines.client.asked import Asked
from asgard_pipelines.client.online_features import OnlineFeatures
from asgard_pipelines.client.rest_steps import Send, Steps, error_of, foreign
from asgard_pipelines.errors import BackendUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

    from asgard_pipelines.settings import Settings

_T = TypeVar("_T")
_QUICK = httpx.Timeout(30, connect=5)
_SLOW = httpx.Timeout(3600, connect=5)
_AT_ONCE = 16
"""More requests of one loop wait: httpx's pool slows down with the square of how many it holds."""


@dataclass(frozen=True)
class Done(Generic[_T]):
    result: _T


class OverRest:
    """Safe to use from several threads; connections are kept."""

    def __init__(self, settings: Settings) -> None:
        self._api = _Api(settings)
        self._http = httpx.Client(base_url=self._api.url, timeout=_QUICK)

    def feature_views(self) -> list[str]:
        return self._run(rest_steps.feature_views())

    def feature_services(self) -> list[str]:
        return self._run(rest_steps.feature_services())

    def service_features(self, name: str) -> list[str]:
        return self._run(rest_steps.service_features(name))

    def key_columns(self) -> set[str]:
        return self._run(rest_steps.key_columns())

    def online(self, asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> OnlineFeatures:
        return self._run(rest_steps.online(asked, entities, rows))

    def history(self, asked: Asked, keys: pa.Table) -> pa.Table:
        return self._run(rest_steps.history(asked, keys))

    def close(self) -> None:
        self._http.close()

    def _run(self, steps: Steps[_T]) -> _T:
        answer = None
        while True:
            send = self._api.next_of(steps, answer)
            if isinstance(send, Done):
                return send.result
            try:
                answer = self._http.send(self._api.request(self._http, send))
            except httpx.HTTPError as error:
                raise self._api.unreachable(error) from error


class AsyncOverRest:
    """The same for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._api = _Api(settings)
        self._http = httpx.AsyncClient(base_url=self._api.url, timeout=_QUICK)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def feature_views(self) -> list[str]:
        return await self._run(rest_steps.feature_views())

    async def feature_services(self) -> list[str]:
        return await self._run(rest_steps.feature_services())

    async def service_features(self, name: str) -> list[str]:
        return await self._run(rest_steps.service_features(name))

    async def key_columns(self) -> set[str]:
        return await self._run(rest_steps.key_columns())

    async def online(self, asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> OnlineFeatures:
        return await self._run(rest_steps.online(asked, entities, rows))

    async def history(self, asked: Asked, keys: pa.Table) -> pa.Table:
        return await self._run(rest_steps.history(asked, keys))

    async def close(self) -> None:
        await self._http.aclose()

    async def _run(self, steps: Steps[_T]) -> _T:
        answer = None
        while True:
            send = self._api.next_of(steps, answer)
            if isinstance(send, Done):
                return send.result
            try:
                async with self._turns:
                    answer = await self._http.send(self._api.request(self._http, send))
            except httpx.HTTPError as error:
                raise self._api.unreachable(error) from error


class _Api:
    """How requests to it look, and what its answers mean."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.client_url
        address = httpx.URL(self.url)
        self._shown = f"{address.scheme}://{address.netloc.decode()}"  # no password is in it
        token = settings.client_token.get_secret_value()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, http: httpx.Client | httpx.AsyncClient, send: Send) -> httpx.Request:
        headers = {} if send.open else dict(self._headers)
        if send.body is not None:
            headers["Content-Type"] = "application/json"
        timeout = _SLOW if send.slow else _QUICK
        return http.build_request(send.method, send.path, content=send.body, headers=headers, timeout=timeout)

    def next_of(self, steps: Steps[_T], answer: httpx.Response | None) -> Send | Done[_T]:
        """What is to be sent after the answer, or what came of it all. Raises the error that it tells of."""
        if answer is not None and not answer.is_success:
            raise error_of(self._shown, answer.status_code, answer.content)
        try:
            return next(steps) if answer is None else steps.send(answer.content)
        except StopIteration as done:
            return Done(done.value)
        except (ValueError, LookupError, TypeError) as error:  # nothing that we could read
            raise foreign(self._shown, answer.status_code if answer else 0) from error

    def unreachable(self, error: httpx.HTTPError) -> BackendUnavailable:
        return BackendUnavailable(
            f"The API at {self._shown} does not answer ({type(error).__name__}): see ASGARD_CLIENT_URL.",
            address=self._shown,
        )
