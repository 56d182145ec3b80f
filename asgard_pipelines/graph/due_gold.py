"""Which gold tables are due, and which of their partitions."""

from __future__ import annotations

from functools import partial

from asgard_pipelines.declarations import Declarations, GoldTable
from asgard_pipelines.graph.clocks import clock_watermark, clocks
from asgard_pipelines.graph.observation import logical_changes
from asgard_pipelines.graph.plan import Ground, Plan


def decide_gold(ground: Ground, plan: Plan) -> None:
    """A table is due when a source differs logically from what its partitions were computed from."""
    from asgard_pipelines.lakehouse import stale

    clock_of = clocks(ground.declarations)
    changes = partial(logical_changes, ground.settings, ground.lakehouse)
    for table in _upstream_first(ground.declarations):
        obstacle = ground.obstacle(plan, table.reads)
        if obstacle:
            plan.decide(f"gold/{table.name}", "wait", obstacle)
            continue
        sources = {s: ground.lakehouse.pin(s) for s in table.reads if ground.lakehouse.exists(s)}
        clock = clock_of.get(table.table)
        keys = stale(
            ground.lakehouse,
            table,
            sources=sources,
            time_columns={source: ground.time_column(source) for source in sources},
            watermark=clock_watermark(clock, ground.observed.watermarks) if clock else None,
            changes=changes,
        )
        upstream = [key for source in table.reads for key in plan.gold.get(source, [])]
        keys = sorted({*keys, *upstream})
        if keys or any(source in plan.gold for source in table.reads):
            plan.gold[table.table] = keys if clock else []
            plan.decide(f"gold/{table.name}", "build", _in_words(keys) if clock else "its sources changed")
    _keep_one_clock(ground, plan)


def _keep_one_clock(ground: Ground, plan: Plan) -> None:
    """A run carries one range of partitions, so one clock: with several due, the others are deferred."""
    clock_of = clocks(ground.declarations)
    ticking = sorted({clock_of[table] for table in plan.gold if table in clock_of}, key=lambda c: c.name)
    if not ticking:
        return
    plan.deferred = [table for table in plan.gold if table in clock_of and clock_of[table] != ticking[0]]
    for table in plan.deferred:
        del plan.gold[table]
    keys = sorted({key for table, due in plan.gold.items() if table in clock_of for key in due})
    plan.partitions = (keys[0], keys[-1])


def _upstream_first(declarations: Declarations) -> list[GoldTable]:
    built = {table.table: table for table in declarations.gold if not table.external}
    ordered: list[GoldTable] = []

    def visit(table: GoldTable) -> None:
        for source in table.reads:
            if source in built:
                visit(built[source])
        if table not in ordered:
            ordered.append(table)

    for table in built.values():
        visit(table)
    return ordered


def _in_words(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"partition {keys[0]} is due"
    return f"{len(keys)} partitions from {keys[0]} to {keys[-1]} are due"
