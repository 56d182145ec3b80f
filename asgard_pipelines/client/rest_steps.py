"""What is asked over REST, request by request, whoever sends them: each function yields what to send, is sent
the answer, and returns the result."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import orjson

from asgard_pipelines.client.asked import Asked
from asgard_pipelines.client.online_features import OnlineFeatures
from asgard_pipelines.errors import (
    AsgardError,
    BackendUnavailable,
    DeclarationNotFound,
    NotFound,
    TypeMismatch,
    recalled,
)

if TYPE_CHECKING:
    import pyarrow as pa

MOST_KEYS = 10_000
"""What one request may ask online."""
_FEATURES = "/api/v1/features"
_SERVICES = "/feast/services"


@dataclass(frozen=True)
class Send:
    """`path` is below the API's address. `slow`: the answer may take long. `open`: it asks for no token."""

    method: str
    path: str
    body: bytes | None = None
    slow: bool = False
    open: bool = False


_T = TypeVar("_T")
Steps = Generator[Send, bytes, _T]


def feature_views() -> Steps[list[str]]:
    answer = orjson.loads((yield Send("GET", f"{_FEATURES}/feature-views")))
    return sorted(view["name"] for view in answer["feature_views"])


def feature_services() -> Steps[list[str]]:
    answer = orjson.loads((yield Send("GET", _SERVICES)))
    return sorted(service["name"] for service in answer)


def service_features(name: str) -> Steps[list[str]]:
    answer = orjson.loads((yield Send("GET", f"{_SERVICES}/{quote(name, safe='')}")))
    return list(answer["features"])


def key_columns() -> Steps[set[str]]:
    answer = orjson.loads((yield Send("GET", f"{_FEATURES}/entities")))
    return {name for one in answer["entities"] for name in (one["name"], *one["join_keys"])}


def online(asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> Steps[OnlineFeatures]:
    features: list[dict[str, Any]] = []
    statuses: list[dict[str, str]] = []
    for start in range(0, rows if entities else 1, MOST_KEYS):
        part = {name: values[start : start + MOST_KEYS] for name, values in entities.items()}
        body = _body(asked, "entities", part)
        answer = orjson.loads((yield Send("POST", f"{_FEATURES}/online-features", body)))
        if len(part) == 1:
            [values] = part.values()
            names = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values]
            features += [answer["features"][name] for name in names]
            statuses += [answer["statuses"][name] for name in names]
        else:
            features += [one["features"] for one in answer["results"]]
            statuses += [one["statuses"] for one in answer["results"]]
    if not entities:
        return OnlineFeatures(features * rows, statuses * rows)
    return OnlineFeatures(features, statuses)


def history(asked: Asked, keys: pa.Table) -> Steps[pa.Table]:
    import pyarrow.parquet as parquet

    columns = {name: keys[name].to_pylist() for name in keys.column_names}
    body = _body(asked, "entity_df", columns)
    answer = orjson.loads((yield Send("POST", f"{_FEATURES}/historical-features", body, slow=True)))
    path = urlsplit(answer["download_url"]).path  # below the address that we were given
    table = parquet.read_table(BytesIO((yield Send("GET", path, slow=True, open=True))))
    return table.select(table.column_names[table.num_columns - answer["metadata"]["features_count"] :])


def error_of(address: str, status: int, content: bytes) -> AsgardError:
    """The error that an answer tells of, as it was raised there."""
    try:
        told = orjson.loads(content)["error"]
        code, message, details = str(told["code"]), str(told["message"]), dict(told["details"])
    except (ValueError, KeyError, TypeError):
        return foreign(address, status)
    error = recalled(code, message, details)
    if error is None:
        return BackendUnavailable(
            f"{address} answered {status}: {message}", code=code, request_id=told.get("request_id", "")
        )
    if type(error) is NotFound and details:  # two errors have its code, and the other one says what there is
        return DeclarationNotFound(message, **details)
    return error


def foreign(address: str, status: int) -> BackendUnavailable:
    return BackendUnavailable(
        f"{address} answered {status}, and not as Asgard's REST API does: see ASGARD_CLIENT_URL.",
        status=status,
    )


def _body(asked: Asked, name: str, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Raises TypeMismatch."""
    try:
        return orjson.dumps(
            {
                "feature_service": asked.service,
                "features": list(asked.features) or None,
                "full_feature_names": asked.full_names,
                name: columns,
            },
            option=orjson.OPT_UTC_Z,
        )
    except TypeError as error:
        raise TypeMismatch(f"`{name}` holds what is no key of an entity: {error}.", field=name) from None
