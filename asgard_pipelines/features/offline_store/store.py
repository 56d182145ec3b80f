"""Feast's offline store over Iceberg tables and Parquet files.

`feature_store.yaml` names it::

    offline_store:
      type: asgard_pipelines.features.offline_store.IcebergOfflineStore

What it promises beyond Feast's own: each table is read at one snapshot, chosen when the retrieval is
planned and told by the job's `reads`; entity rows come back whole and in their order; ties are broken
the same way always; memory is bounded by the entity rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from feast.infra.data_sources.contrib.iceberg_catalog import IcebergSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range
from pydantic import PositiveInt

from asgard_pipelines.features.offline_store.entity_less import every_moment
from asgard_pipelines.features.offline_store.entity_rows import EntityRows, entity_rows
from asgard_pipelines.features.offline_store.feature_writes import write_batch, write_logs
from asgard_pipelines.features.offline_store.historical_retrieval import HistoricalRetrieval
from asgard_pipelines.features.offline_store.opened_sources import OpenedSources, reads
from asgard_pipelines.features.offline_store.range_retrieval import (
    NewestRetrieval,
    RangeRetrieval,
    newest_time,
)
from asgard_pipelines.features.offline_store.retrieval import StreamedRetrieval
from asgard_pipelines.features.offline_store.view_lookups import asked_rows, view_lookups
from asgard_pipelines.features.point_in_time.streamed_join import StreamedJoin
from asgard_pipelines.features.sources import GoldSource, house_source
from asgard_pipelines.settings import Settings


class IcebergOfflineStoreConfig(FeastConfigBaseModel):
    """`threads`: how many read and decode at once; the settings' by default."""

    type: Literal["asgard_pipelines.features.offline_store.IcebergOfflineStore"] = (
        "asgard_pipelines.features.offline_store.IcebergOfflineStore"
    )
    threads: PositiveInt | None = None


class IcebergOfflineStore(OfflineStore):
    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        *,
        filter_by_created_timestamp: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> StreamedRetrieval:
        """Plans a retrieval; nothing but schemas and entity rows is read before the job is asked for rows.

        Args:
            entity_df: rows as `entity_rows` takes them. None asks for every different key and event time
                that a view's source holds in [start_date, end_date]; the end is now by default, the start
                the longest TTL (without one, 30 days) before it.
            filter_by_created_timestamp: whether a row created after the time that is asked about counts.

        Raises:
            Unsupported: SQL as `entity_df`; sources of other kinds.
            AsgardError: of its other kinds, for what does not fit; see `entity_rows`, `view_lookups`.
        """
        views = view_lookups(
            feature_views, feature_refs, OpenedSources(config), full_names=full_feature_names
        )
        keys = list(dict.fromkeys(key for view in views for key in view.keys))
        rows: Callable[[], EntityRows]
        span: tuple[datetime | None, datetime | None]
        if entity_df is None:
            start, end = compute_non_entity_date_range(feature_views, start_date, end_date)
            named, span, rows = keys, (start, end), partial(every_moment, views, start, end)
        else:
            given = entity_rows(entity_df, keys)
            asked_rows(given.table, given.timestamp, views)  # what does not fit is told now, not when it runs
            named = [name for name in given.table.column_names if name != given.timestamp]
            span, rows = given.span, lambda: given
        return HistoricalRetrieval(
            _engine(config),
            rows,
            views,
            filter_by_created=filter_by_created_timestamp,
            repo=config.repo_path,
            reads=reads(view.source for view in views),
            metadata=RetrievalMetadata(list(feature_refs), named, *span),
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_names=full_feature_names,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> StreamedRetrieval:
        """The newest row of each key in [start_date, end_date]. Without feature names: all columns."""
        source = OpenedSources(config).open(data_source)
        return NewestRetrieval(
            _engine(config),
            source,
            join_key_columns,
            feature_name_columns or source.schema.names,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
            repo=config.repo_path,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> StreamedRetrieval:
        """Every row in [start_date, end_date]. Without feature names: all columns."""
        source = OpenedSources(config).open(data_source)
        times = [timestamp_field, created_timestamp_column] if created_timestamp_column else [timestamp_field]
        columns = [*join_key_columns, *(feature_name_columns or source.schema.names), *times]
        return RangeRetrieval(source, columns, timestamp_field, start_date, end_date, repo=config.repo_path)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: Any, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        write_batch(config, feature_view, table)
        if progress is not None:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig, data: pa.Table | Path, source: Any, logging_config: Any, registry: Any
    ) -> None:
        write_logs(config, data, logging_config.destination)

    @staticmethod
    def get_monitoring_max_timestamp(
        config: RepoConfig, data_source: Any, timestamp_field: str
    ) -> datetime | None:
        """The newest event time (UTC); None when there is none. Mostly from the bounds of a table's files."""
        sources = OpenedSources(config)
        source = sources.open(data_source)
        if isinstance(data_source, IcebergSource):
            lakehouse, _ = sources.table(data_source)
            return lakehouse.newest(source.pin, timestamp_field)
        return newest_time(source, timestamp_field)

    def validate_data_source(self, config: RepoConfig, data_source: Any) -> None:
        (house_source(data_source) or data_source).validate(config=config)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: Any
    ) -> Iterable[tuple[str, str]]:
        house = house_source(data_source)
        if house is not None and not isinstance(data_source, GoldSource):
            # From the registry it comes as upstream's, which says types as Iceberg does.
            return IcebergSource.get_table_column_names_and_types(house, config)
        return super().get_table_column_names_and_types_from_data_source(config, data_source)


def _engine(config: RepoConfig) -> StreamedJoin:
    return StreamedJoin(config.offline_store.threads or Settings.read().thread_count)
