"""Feast's data sources, opened: the rows behind them, each table at one snapshot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from feast.data_format import ParquetFormat
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from asgard_pipelines.errors import Unsupported
from asgard_pipelines.features.source_pins import Moment, moment_of
from asgard_pipelines.features.sources import house_source
from asgard_pipelines.lakehouse import Lakehouse, Pin, Source, parquet_source
from asgard_pipelines.settings import Settings


class OpenedSources:
    """The sources of one retrieval. Whatever reads the same table where it stands now reads one snapshot."""

    def __init__(self, config: RepoConfig) -> None:
        self._repo = config.repo_path
        self._settings = Settings.read()
        self._lakehouses: dict[str, Lakehouse] = {}
        self._sources: dict[tuple[str, Moment | None], Source] = {}

    def open(self, source: Any) -> Source:
        """
        Raises:
            Unsupported: something else than an Iceberg table or Parquet files.
            TableNotFound, SnapshotNotFound, Invalid, BackendUnavailable
        """
        if not isinstance(source, IcebergSource):
            location = self.location(source)
            return self._once(location, None, lambda: parquet_source(location))
        lakehouse, table = self.table(source)
        moment = moment_of(table, source.name, source.tags)

        def pinned() -> Source:
            if isinstance(moment, datetime):
                return lakehouse.source(lakehouse.pin_as_of(table, moment))
            return lakehouse.source(lakehouse.pin(table, moment))

        return self._once(f"{_catalog(source)} {table}", moment, pinned)

    def _once(self, place: str, moment: Moment | None, opened: Callable[[], Source]) -> Source:
        if (place, moment) not in self._sources:
            self._sources[place, moment] = opened()
        return self._sources[place, moment]

    def table(self, source: IcebergSource) -> tuple[Lakehouse, str]:
        """The lakehouse that holds an Iceberg source, and its table's name there. Raises TableNotFound."""
        catalog = _catalog(source)
        if catalog not in self._lakehouses:
            self._lakehouses[catalog] = (
                Lakehouse.of_catalog(self._settings, source.catalog_name, _properties(source))
                if catalog
                else Lakehouse(self._settings)
            )
        lakehouse = self._lakehouses[catalog]
        return lakehouse, lakehouse.resolve(f"{source.namespace}.{source.iceberg_table}")

    def location(self, source: Any) -> str:
        """The path or address of Parquet files. Raises Unsupported for what is no such source."""
        if not isinstance(source, FileSource):
            raise Unsupported(
                f"Source '{source.name}' is a {type(source).__name__}: this offline store reads Iceberg "
                "tables (gold(...), IcebergSource) and Parquet files (FileSource).",
                source=source.name,
            )
        if source.file_format is not None and not isinstance(source.file_format, ParquetFormat):
            raise Unsupported(
                f"Source '{source.name}' is {type(source.file_format).__name__}: files have to be Parquet.",
                source=source.name,
            )
        if source.s3_endpoint_override:
            raise Unsupported(
                f"Source '{source.name}' overrides the endpoint of S3: give it by AWS_ENDPOINT_URL.",
                source=source.name,
            )
        return resolved(self._repo, source.path)


def resolved(repo: Path | None, path: str) -> str:
    """An address as it is, a path as an absolute one: what is relative is so to the repo."""
    return path if "://" in path else str(Path(repo or ".", path).absolute())


def reads(sources: Iterable[Source]) -> tuple[Pin, ...]:
    """What is read, sorted, each once."""
    return tuple(sorted({source.pin for source in sources}, key=str))


def _catalog(source: IcebergSource) -> str:
    """Nothing for the house's."""
    if house_source(source):
        return ""
    return repr([source.catalog_name, sorted(_properties(source).items())])


def _properties(source: IcebergSource) -> dict[str, str]:
    """What PyIceberg takes to open the catalog of upstream's source, as its own client composes it."""
    token = os.environ.get(source.token_env_var, "") if source.token_env_var else ""
    given = {"uri": source.endpoint, "warehouse": source.warehouse, "token": token}
    return {key: value for key, value in given.items() if value} | {
        "type": source.catalog_type,
        **source.catalog_properties,
    }
