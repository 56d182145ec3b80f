"""Views that are served online: `online/<view>` brings the store to what the view's table holds now, and
`online_days/<view>` brings it the rows of chosen days, or of any span of event time."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import dagster as dg

from asgard_pipelines.declarations import Declarations, FeatureView, fingerprint
from asgard_pipelines.errors import Invalid
from asgard_pipelines.graph.days import asked_window, days
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.feature_assets import feature_schema
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.keys import days_key, feature_key, online_key
from asgard_pipelines.graph.metadata import Metadata
from asgard_pipelines.graph.row_progress import RowProgress
from asgard_pipelines.graph.run_history import MATERIALIZATION_TAG
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import Window
    from asgard_pipelines.state import Materialization

_MICROSECOND = timedelta(microseconds=1)


def online_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    """Two assets per view that is served online."""
    settings = Settings.read()
    scheme = urlsplit(settings.online_store_url).scheme
    kind = "redis" if scheme == "rediss" else scheme
    views = [view for view in declarations.views if view.online]
    return [
        *(_online(view, declarations, kind) for view in views),
        *(_days(view, declarations, kind, days(settings)) for view in views),
    ]


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
        return _materialized(context, house, declarations, view, None)

    return materialize_view


def _days(
    view: FeatureView, declarations: Declarations, kind: str, partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    @dg.asset(
        key=days_key(view),
        description=f"Rows of `{view.name}` by their event time, brought into the online store where it has "
        "nothing newer.\n\nA day that was never asked for is not missing online: "
        f"`online/{view.name}` brings whatever changes.",
        group_name=group_of(view, "online"),
        kinds={kind, "online", "days"},
        deps=[feature_key(view)],
        pool=f"online_{view.name}",
        owners=[view.owner] if view.owner else None,
        tags=view.shown_tags,
        code_version=fingerprint(view),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    @telling
    def materialize_days(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return _materialized(context, house, declarations, view, _window(context))

    return materialize_days


def _materialized(
    context: dg.AssetExecutionContext,
    house: House,
    declarations: Declarations,
    view: FeatureView,
    window: "Window | None",
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    from asgard_pipelines.features.materialization import Asked, materialize

    run = house.run(context.run)
    asked_as = context.run.tags.get(MATERIALIZATION_TAG)
    # Not as the run has pinned it: what was flushed since is online, and would be taken for removed.
    newest = run.lakehouse.pin(view.table)
    done = materialize(
        run.settings,
        run.lakehouse,
        declarations,
        view,
        newest,
        window=window,
        asked=Asked(asked_as, run.run_id),
        require_rows=asked_as is not None,
        progress=RowProgress(context, house.on_rows),
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(str(done.to_snapshot)), metadata=_told(view, done)
    )


def _window(context: dg.AssetExecutionContext) -> "Window":
    """The exact span that was asked for, or the run's days.

    Raises:
        Invalid: it has neither.
    """
    asked = asked_window(context.run.tags)
    if asked is not None:
        return asked
    if not (context.has_partition_key or context.has_partition_key_range):
        raise Invalid("Choose the days whose rows shall be brought online.", asset=str(context.asset_key))
    span = context.partition_time_window
    return span.start, span.end - _MICROSECOND


def _told(view: FeatureView, done: "Materialization") -> Metadata:
    told: Metadata = {
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
    if done.window_start and done.window_end:  # the figures are of the whole span, not of one of its days
        told["asgard/window"] = f"{done.window_start.isoformat()} to {done.window_end.isoformat()}"
    else:
        told["dagster/row_count"] = done.written
    return told
