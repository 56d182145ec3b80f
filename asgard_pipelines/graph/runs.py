"""Runs in this process: the same assets, events and lineage as a run that the daemon starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import uuid4

import dagster as dg
from dagster import DagsterEventType

from asgard_pipelines.declarations import Declarations, Record
from asgard_pipelines.errors import Conflict, DeclarationNotFound, did_you_mean
from asgard_pipelines.graph.assembly import definitions
from asgard_pipelines.graph.failures import failure_of
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.graph.keeping_up import next_step
from asgard_pipelines.graph.observation import report
from asgard_pipelines.graph.run_history import RANGE_END, RANGE_START, bury_dead_runs, run_under_way
from asgard_pipelines.settings import Settings


class RunEvent(Record):
    """`kind`: `started`, `rows`, `materialized`, `checked`, `failed` or `skipped`, of one asset.

    `rows` comes often: `done` of `total` rows are.
    """

    kind: str
    asset: str
    message: str = ""
    done: int = 0
    total: int = 0


class RunOutcome(Record):
    run_id: str
    succeeded: bool
    selection: list[str]
    failures: list[str]
    """One sentence per failed step."""


OnEvent = Callable[[RunEvent], None]
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Events go to `on_event` and to the instance, not line by line to stderr as well."""
_KINDS = {
    DagsterEventType.STEP_START: "started",
    DagsterEventType.ASSET_MATERIALIZATION: "materialized",
    DagsterEventType.ASSET_CHECK_EVALUATION: "checked",
    DagsterEventType.STEP_FAILURE: "failed",
    DagsterEventType.STEP_SKIPPED: "skipped",
}


def run_assets(
    settings: Settings,
    declarations: Declarations,
    selection: str | Sequence[dg.AssetKey],
    *,
    partitions: tuple[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
) -> RunOutcome:
    """Materializes assets in one run in this process.

    `selection` is Dagster's selection syntax (`key:"models/churn"+`) or keys; `partitions` the
    first and last key of a range, for the partitioned assets among them.

    Raises:
        DeclarationNotFound: the selection holds no asset.
        Conflict: an unfinished run materializes one of them.
    """
    graph = definitions(declarations, _house(on_event))
    keys = _resolve(graph, selection)
    with open_instance(settings) as instance:
        bury_dead_runs(settings, instance)
        busy = run_under_way(instance, keys)
        if busy:
            raise Conflict(f"Run {busy} is under way and materializes some of these assets.", run_id=busy)
        return _execute(graph, instance, keys, _tags(tags, partitions), on_event)


def reconcile(
    settings: Settings, declarations: Declarations, *, on_event: OnEvent | None = None
) -> list[RunOutcome]:
    """Runs what the sensor would ask for, in this process, until nothing is due or a run fails.

    Raises:
        Conflict: the same is due after a run that did it.
    """
    from asgard_pipelines.lakehouse import Lakehouse

    graph, lakehouse = definitions(declarations, _house(on_event)), Lakehouse(settings)
    outcomes: list[RunOutcome] = []
    done: set[str | None] = set()
    with open_instance(settings) as instance:
        while True:
            step = next_step(settings, lakehouse, declarations, instance)
            report(step.observed, instance)
            if step.request is None:
                return outcomes
            if step.request.run_key in done:  # the sensor's daemon would not start it again either
                raise Conflict(f"A run has done it, and still it is due: {step.reason}.")
            done.add(step.request.run_key)
            keys = list(step.request.asset_selection or [])
            outcomes.append(_execute(graph, instance, keys, step.request.tags, on_event))
            if not outcomes[-1].succeeded:
                return outcomes


def _house(on_event: OnEvent | None) -> House:
    if on_event is None:
        return House()
    return House(
        lambda asset, done, total: on_event(RunEvent(kind="rows", asset=asset, done=done, total=total))
    )


def _resolve(graph: dg.Definitions, selection: str | Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    if not isinstance(selection, str):
        return list(selection)
    assets = graph.resolve_asset_graph()
    chosen = dg.AssetSelection.from_string(selection).resolve(assets) & assets.materializable_asset_keys
    if not chosen:
        known = sorted(key.to_user_string() for key in assets.materializable_asset_keys)
        raise DeclarationNotFound(
            f"No asset matches '{selection}'.{did_you_mean(selection, known)}", available_assets=known
        )
    return sorted(chosen)


def _tags(tags: Mapping[str, str] | None, partitions: tuple[str, str] | None) -> dict[str, str]:
    span = {RANGE_START: partitions[0], RANGE_END: partitions[1]} if partitions else {}
    return {**(tags or {}), **span}


def _execute(
    graph: dg.Definitions,
    instance: dg.DagsterInstance,
    keys: Sequence[dg.AssetKey],
    tags: Mapping[str, str],
    on_event: OnEvent | None,
) -> RunOutcome:
    run_id = str(uuid4())
    failures: list[str] = []

    def listen(entry: dg.EventLogEntry) -> None:
        event = _read(entry)
        if event is None:
            return
        if event.kind == "failed":
            failures.append(f"{event.asset}: {event.message}")
        if on_event:
            on_event(event)

    instance.add_event_listener(run_id, listen)
    job = graph.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=list(keys),
        tags=dict(tags),
        run_id=run_id,
        run_config=_QUIET,
        raise_on_error=False,
    )
    return RunOutcome(
        run_id=run_id,
        succeeded=result.success,
        selection=[key.to_user_string() for key in keys],
        failures=failures,
    )


def _read(entry: dg.EventLogEntry) -> RunEvent | None:
    event = entry.dagster_event
    kind = _KINDS.get(event.event_type) if event else None
    if event is None or kind is None:
        return None
    key = event.asset_key
    asset = key.to_user_string() if key else (event.step_key or "").replace("__", "/")
    if kind == "failed":
        return RunEvent(kind=kind, asset=asset, message=failure_of(event).message)
    if kind == "checked":
        data = event.asset_check_evaluation_data
        verdict = "passed" if data.passed else "failed"
        return RunEvent(kind=kind, asset=asset, message=f"{data.check_name} {verdict}")
    return RunEvent(kind=kind, asset=asset)
