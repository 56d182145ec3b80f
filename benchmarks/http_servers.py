"""The servers to compare: `python -m benchmarks.http_servers NAME PORT [STORE]`, one uvicorn worker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn

if TYPE_CHECKING:
    from asgard_pipelines.settings import Settings


def asgard() -> Any:
    """As `asgard up` serves it: tokens, limits, metrics, a line of log for each request."""
    from asgard_pipelines.api.server import application

    return application()


def feast() -> Any:
    """Stock Feast's feature server, over the same registry and the same online rows, or those of a store of
    its own, which the command line names: a path, or an address of Redis."""
    from feast import FeatureStore, RepoConfig
    from feast.feature_server import get_app

    from asgard_pipelines.project import load
    from asgard_pipelines.settings import Settings

    settings, own = Settings.read(), (sys.argv[3] if len(sys.argv) > 3 else None)
    config = RepoConfig(
        project=load(settings).project,
        provider="local",
        registry={"registry_type": "sql", "path": settings.registry_database, "cache_ttl_seconds": 600},
        online_store=_feast_online(settings, own),
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    if own:  # where nothing has made its tables
        views, entities = store.list_feature_views(), store.list_entities()
        store._get_provider().online_store.update(config, [], views, [], entities, partial=True)
    return get_app(store, registry_ttl_sec=600)


def _feast_online(settings: Settings, own: str | None) -> dict[str, str]:
    parts = urlsplit(own or settings.online_store_url)
    if parts.scheme == "redis":
        return {"type": "redis", "connection_string": f"{parts.netloc},db={parts.path.strip('/')}"}
    return {"type": "sqlite", "path": own or str(settings.state_folder / "online_store.db")}


def empty() -> Any:
    """What nothing costs: FastAPI with one route, no token, no log, a body that nobody reads."""
    from fastapi import FastAPI
    from starlette.responses import Response

    app = FastAPI()

    @app.post("/empty")
    async def nothing() -> Response:
        return Response(b"{}", media_type="application/json")

    return app


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    made = {"asgard": asgard, "feast": feast, "empty": empty}[name]()
    quiet: dict[str, Any] = {} if name == "asgard" else {"log_level": "error"}
    options: dict[str, Any] = {
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,
    }
    uvicorn.run(made, port=port, **options, **quiet)


if __name__ == "__main__":
    main()
