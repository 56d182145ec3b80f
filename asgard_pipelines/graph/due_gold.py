"""Which gold tables are due, and which of their partitions."""

from __future__ import annotations

from functools import partial

from asgard_pipelines.declarations import Declarations, GoldTable
from asgard_pipelines.graph.clocks import Clock, clock_watermark, clocks
from asgard_pipelines.graph.observation import logical_changes
from asgard_pipelines.graph.plan import Ground, Plan


def decide_gold(ground: Ground, plan: Plan) -> None:
    """A table is due when a source differs logically from what its partitions were computed from.

    A run carries one range of partitions, so one clock: that of the first due table, sources first.
    Tables of another clock are deferred, and so is what reads a deferred table.
    """
    clock_of = clocks(ground.declarations)
    ticking: Clock | None = None
    for table in _upstream_first(ground.declarations):
        subject, clock = f"gold/{table.name}", clock_of.get(table.table)
        obstacle = ground.obstacle(plan, table.reads)
        if obstacle:
            plan.decide(subject, "wait", obstacle)
            if any(source in plan.deferred for source in table.reads):
                plan.deferred.append(table.table)
            continue
        keys = _stale(ground, table, clock)
        rebuilt = [source for source in table.reads if source in plan.gold]
        if clock and any(clock_of.get(source) != clock for source in rebuilt):
            plan.deferred.append(table.table)  # only once they are built it is known what they reach
            plan.decide(subject, "wait", f"{', '.join(rebuilt)} is built first")
            continue
        upstream = {key for source in rebuilt for key in plan.gold[source]} if clock else set()
        keys = sorted({*keys, *(key for key in upstream if key >= (table.start or ""))})
        if not keys and (clock or not rebuilt):
            continue
        if clock and ticking and clock != ticking:
            plan.deferred.append(table.table)
            plan.decide(subject, "wait", f"{_in_words(keys)}; the next run builds it")
            continue
        ticking = ticking or clock
        plan.gold[table.table] = keys if clock else []
        plan.decide(subject, "build", _in_words(keys) if clock else "its sources changed")
    for table in ground.declarations.gold:
        if table.about_asgard and not ground.lakehouse.exists(table.table):
            plan.gold[table.table] = []
            plan.decide(f"gold/{table.name}", "build", "never filled; the schedule fills it from now on")
    due = sorted({key for keys in plan.gold.values() for key in keys})
    plan.partitions = (due[0], due[-1]) if due else None


def _stale(ground: Ground, table: GoldTable, clock: Clock | None) -> list[str]:
    from asgard_pipelines.lakehouse import stale

    sources = {s: ground.pin(s) for s in table.reads if ground.lakehouse.exists(s)}
    return stale(
        ground.lakehouse,
        table,
        sources=sources,
        time_columns={source: ground.time_column(source) for source in sources},
        watermark=clock_watermark(clock, ground.observed.watermarks) if clock else None,
        changes=partial(logical_changes, ground.settings, ground.lakehouse),
    )


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
