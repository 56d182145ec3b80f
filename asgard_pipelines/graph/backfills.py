"""Backfills: true ones, that Dagster's UI shows as such and its daemon runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg
from dagster import RunsFilter
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.utils import make_new_backfill_id

from asgard_pipelines.declarations import Declarations, Record
from asgard_pipelines.errors import Conflict, DeclarationNotFound, Invalid, did_you_mean
from asgard_pipelines.graph.assembly import definitions
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.graph.keys import DAYS, ONLINE
from asgard_pipelines.settings import Settings

OnProgress = Callable[[str, int, int], None]
"""Status in words, finished partitions, all partitions."""

_ENDED = {
    BulkActionStatus.COMPLETED,
    BulkActionStatus.COMPLETED_SUCCESS,
    BulkActionStatus.COMPLETED_FAILED,
    BulkActionStatus.CANCELED,
    BulkActionStatus.FAILED,
}


class BackfillOutcome(Record):
    backfill_id: str
    asset: str
    partitions: list[str]
    status: str
    succeeded: bool
    run_ids: list[str]


def launch_backfill(
    settings: Settings,
    declarations: Declarations,
    asset: str,
    first: str,
    last: str,
    *,
    on_progress: OnProgress,
    daemon_is_alive: Callable[[], bool],
    poll_seconds: float = 1.0,
) -> BackfillOutcome:
    """Asks for the partitions [first, last] of `asset` and follows them to their end.

    An online view's are the days of `online_days/<view>`. The daemon does the work: `daemon_is_alive` says
    whether one is there.

    Raises:
        DeclarationNotFound: no such asset.
        Invalid: it has no partitions, or a key is not one of them.
        Conflict: the daemon went away.
    """
    graph = definitions(declarations)
    with open_instance(settings) as instance:
        key = _partitioned(graph, asset)
        names = _between(instance, graph, key, first, last)
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id=make_new_backfill_id(),
            asset_graph=graph.resolve_asset_graph(),
            partition_names=names,
            asset_selection=[key],
            backfill_timestamp=time.time(),
            tags={"asgard/backfill": "cli"},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=f"{key.to_user_string()} {first} to {last}",
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        status = _follow(
            instance, backfill.backfill_id, len(names), on_progress, daemon_is_alive, poll_seconds
        )
        runs = instance.get_runs(RunsFilter.for_backfill(backfill.backfill_id))
        return BackfillOutcome(
            backfill_id=backfill.backfill_id,
            asset=key.to_user_string(),
            partitions=names,
            status=status.value,
            succeeded=status in (BulkActionStatus.COMPLETED, BulkActionStatus.COMPLETED_SUCCESS),
            run_ids=[run.run_id for run in runs],
        )


def daemon_heartbeat(settings: Settings) -> bool:
    """True if a daemon that runs backfills has reported within the last minute."""
    with open_instance(settings) as instance:
        beat = instance.get_daemon_heartbeats().get("BACKFILL")
        return beat is not None and time.time() - beat.timestamp < 60


def _partitioned(graph: dg.Definitions, asset: str) -> dg.AssetKey:
    assets = graph.resolve_asset_graph()
    key = dg.AssetKey.from_user_string(asset)
    known = sorted(k.to_user_string() for k in assets.materializable_asset_keys)
    if key not in assets.materializable_asset_keys:
        raise DeclarationNotFound(f"No asset '{asset}'.{did_you_mean(asset, known)}", available_assets=known)
    if key.path[0] == ONLINE:  # which itself has no partitions
        return dg.AssetKey([DAYS, *key.path[1:]])
    if assets.get(key).partitions_def is None:
        raise Invalid(f"'{asset}' has no partitions: materialize it whole.", asset=asset)
    return key


def _between(
    instance: dg.DagsterInstance, graph: dg.Definitions, key: dg.AssetKey, first: str, last: str
) -> list[str]:
    partitions = graph.resolve_asset_graph().get(key).partitions_def
    assert partitions is not None  # _partitioned saw to it
    known = sorted(partitions.get_partition_keys(dynamic_partitions_store=instance))
    for name in (first, last):
        if name not in known:
            span = f"They run from {known[0]} to {known[-1]}." if known else "It has none yet."
            raise Invalid(
                f"'{name}' is no partition of '{key.to_user_string()}'. {span}",
                partition=name,
                available=known[-100:],
            )
    if first > last:
        raise Invalid(f"--from {first} is after --to {last}.", first=first, last=last)
    return [name for name in known if first <= name <= last]


def _follow(
    instance: dg.DagsterInstance,
    backfill_id: str,
    count: int,
    on_progress: OnProgress,
    daemon_is_alive: Callable[[], bool],
    poll_seconds: float,
) -> BulkActionStatus:
    while True:
        backfill = instance.get_backfill(backfill_id)
        if backfill is None:
            raise Conflict(f"Backfill {backfill_id} was deleted.")
        runs = instance.get_runs(RunsFilter.for_backfill(backfill_id))
        done = count if runs and all(run.is_success for run in runs) else 0
        words = ", ".join(sorted({run.status.value.lower() for run in runs})) or "waiting for the daemon"
        on_progress(words, done, count)
        if backfill.status in _ENDED:
            return backfill.status
        if not daemon_is_alive():
            raise Conflict(f"The daemon went away; backfill {backfill_id} goes on when it is back.")
        time.sleep(poll_seconds)
