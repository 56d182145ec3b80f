"""Whether the catalog, the warehouse and the SQL engine answer."""

from __future__ import annotations

from pyiceberg.io import load_file_io

from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.lakehouse.session import connect

_NOTHING = "asgard_probe"
"""A name under which nothing stands."""


def probe_catalog(lakehouse: Lakehouse) -> None:
    """Asks for a table that is not there. Raises what the catalog raises."""
    lakehouse.exists(f"{_NOTHING}.{_NOTHING}")


def probe_warehouse(lakehouse: Lakehouse) -> None:
    """Asks for a file that is not there. Raises what its storage raises."""
    properties = lakehouse.settings.catalog_properties
    warehouse = properties["warehouse"]
    load_file_io(properties, warehouse).new_input(f"{warehouse.rstrip('/')}/{_NOTHING}").exists()


def probe_engine(lakehouse: Lakehouse) -> None:
    """Computes one number. Raises what the engine raises."""
    with connect(lakehouse.settings.thread_count) as session:
        session.execute("SELECT 1").fetchall()
