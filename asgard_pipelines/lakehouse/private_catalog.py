"""A catalog of a few tables as they stand now, in one file: for a program that must not see the house's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyiceberg.catalog.sql import SqlCatalog

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.lakehouse.lakehouse import Lakehouse
from asgard_pipelines.settings import CATALOG


def write_private_catalog(lakehouse: Lakehouse, tables: Sequence[str], path: Path) -> list[Path]:
    """Writes an SQLite catalog with those of `tables` that exist.

    Returns:
        The folders of their files, which its reader has to see where they are.

    Raises:
        Unsupported: a table's files are not in a folder of this machine.
    """
    private = SqlCatalog(CATALOG, uri=f"sqlite:///{path}", warehouse="file:///nowhere")
    private.create_namespace_if_not_exists(lakehouse.settings.gold_schema)
    folders = []
    for name in tables:
        if not lakehouse.exists(name):
            continue
        table = lakehouse.catalog.load(name)
        folders.append(_folder(name, table.location()))
        namespace = name.split(".")[0]
        private.create_namespace_if_not_exists(namespace)
        private.register_table(name, table.metadata_location)
    private.close()
    return sorted(folders)


def _folder(name: str, location: str) -> Path:
    parts = urlsplit(location)
    if parts.scheme not in ("", "file"):
        raise Unsupported(
            f"Table '{name}' is stored at {parts.scheme}://…, and scripts, which have no network, read "
            "tables in folders of this machine only.",
            table=name,
        )
    return Path(unquote(parts.path))
