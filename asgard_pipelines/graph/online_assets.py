"""Views that are served online: `online/<view>` brings its table's rows into the online store."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg

from asgard_pipelines.declarations import Declarations, FeatureView, fingerprint
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.feature_assets import feature_schema
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.keys import feature_key, online_key
from asgard_pipelines.graph.metadata import Metadata
from asgard_pipelines.graph.row_progress import RowProgress
from asgard_pipelines.graph.run_history import MATERIALIZATION_TAG, WINDOW_END_TAG, WINDOW_START_TAG
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import Window
    from asgard_pipelines.state import Materialization


def online_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    """One asset per view that is served online."""
    scheme = urlsplit(Settings.read().online_store_url).scheme
    kind = "redis" if scheme == "rediss" else scheme
    return [_online(view, declarations, kind) for view in declarations.views if view.online]


def _online(view: FeatureView, declarations: Declarations, kind: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=online_key(view),
        description=f"The newest values of `{view.name}` per entity, in the online store.",
        group_name=group_of(view, "online"),
        kinds={"feast", kind, "online"},
        deps=[feature_key(view)],
        pool=f"online_{view.name}",
        owners=[view.owner] if view.owner else None,
        tags=view.shown_tags,
        code_version=fingerprint(view),
    )
    @telling
    def materialize_view(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from asgard_pipelines.features.materialization import Asked, materialize

        run = house.run(context.run.run_id)
        asked_as = context.run.tags.get(MATERIALIZATION_TAG)
        done = materialize(
            run.settings,
            run.lakehouse,
            declarations,
            view,
            run.pin(view.table),
            window=_window(context.run.tags),
            asked=Asked(asked_as, run.run_id),
            require_rows=asked_as is not None,
            progress=RowProgress(context, house.on_rows),
        )
        return dg.MaterializeResult(data_version=_version(done), metadata=_told(view, done))

    return materialize_view


def _window(tags: Mapping[str, str]) -> "Window | None":
    if WINDOW_START_TAG not in tags:
        return None
    return datetime.fromisoformat(tags[WINDOW_START_TAG]), datetime.fromisoformat(tags[WINDOW_END_TAG])


def _version(done: "Materialization") -> dg.DataVersion:
    """The snapshot to which the store was brought; a window brings it to none."""
    return dg.DataVersion(f"{'window of ' if done.kind == 'window' else ''}{done.to_snapshot}")


def _told(view: FeatureView, done: "Materialization") -> Metadata:
    told: Metadata = {
        "dagster/row_count": done.written,
        "dagster/column_schema": feature_schema(view),
        "asgard/kind": done.kind,
        "asgard/from_snapshot": str(done.from_snapshot or "none"),
        "asgard/snapshot_id": str(done.to_snapshot),
        "asgard/rows_read": done.rows_read,
        "asgard/rows_written": done.written,
        "asgard/rows_skipped": done.skipped,
        "asgard/files_read": done.files_read,
        "asgard/bytes_read": done.bytes_read,
        "asgard/seconds": round(done.seconds or 0.0, 3),
        "asgard/as_of": done.as_of.isoformat(),
        "asgard/store": done.store.rpartition("#")[0],
    }
    if done.remark:
        told["asgard/remark"] = done.remark
    if done.window_start and done.window_end:
        told["asgard/window"] = f"{done.window_start.isoformat()} to {done.window_end.isoformat()}"
    return told
