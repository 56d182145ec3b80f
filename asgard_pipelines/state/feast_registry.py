"""Where Feast's registry is: the address in `feature_store.yaml`, filled in from the settings.

Feast hands `path: sqlite://?plugin=asgard` to SQLAlchemy as it is, and SQLAlchemy finds this plugin by
its entry point (`sqlalchemy.plugins`). So the file holds no address, and `feast plan` works by itself.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, CreateEnginePlugin, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.addresses import patient


class RegistryAddress(CreateEnginePlugin):
    """Rewrites any URL that asks for the plugin to `Settings.registry_database`."""

    def update_url(self, url: URL) -> URL:
        return patient(make_url(Settings.read().registry_database))


def require_feast_registry(settings: Settings) -> None:
    """Raises BackendUnavailable: the registry's database does not answer."""
    address = make_url(settings.registry_database)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return  # nothing was applied yet; the first that is makes the file
    try:
        with create_engine(address, poolclass=NullPool).connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise BackendUnavailable("Feast's registry does not answer.") from error
