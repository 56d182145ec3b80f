"""How the platform stands: which of its parts can be used, and how much they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import BaseModel

from asgard_pipelines.api.house import House
from asgard_pipelines.errors import AsgardError, BackendUnavailable
from asgard_pipelines.settings import Settings


class MlopsStatus(BaseModel):
    """`mlflow_tracking_uri` is where MLflow's server is reached, without what is secret in it. The counts are
    null where the part that would tell them cannot be used."""

    mlflow_tracking_uri: str
    mlflow_available: bool
    feast_store_available: bool
    dagster_available: bool
    """Runs that are asked for are started."""
    registered_models: int | None
    active_experiments: int | None
    feature_views: int | None
    timestamp: datetime


def platform_status(house: House) -> MlopsStatus:
    held = _in_mlflow(house)
    views = _views(house)
    return MlopsStatus(
        mlflow_tracking_uri=_mlflow_address(house.settings),
        mlflow_available=held is not None,
        feast_store_available=views is not None,
        dagster_available=_dagster_works(house),
        registered_models=held[0] if held else None,
        active_experiments=held[1] if held else None,
        feature_views=views,
        timestamp=datetime.now(UTC),
    )


def _in_mlflow(house: House) -> tuple[int, int] | None:
    try:
        return house.registry.counts()
    except BackendUnavailable:
        return None


def _views(house: House) -> int | None:
    """How many there are; None where they do not compile, or Feast's registry does not answer."""
    from asgard_pipelines.state import require_feast_registry

    try:
        require_feast_registry(house.settings)
        return len(house.declarations.own_views)
    except AsgardError:
        return None


def _dagster_works(house: House) -> bool:
    try:
        house.runs.require_running()
    except BackendUnavailable:
        return False
    return True


def _mlflow_address(settings: Settings) -> str:
    """Of its server; the embedded store is a file, whose own server `asgard up` starts."""
    found = urlsplit(settings.tracking_uri)
    if found.scheme not in ("http", "https"):
        return f"http://127.0.0.1:{settings.mlflow_port}"
    return found._replace(netloc=found.netloc.rpartition("@")[2], query="", fragment="").geturl()
