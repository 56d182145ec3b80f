"""Which models are due, by each one's policy."""

from __future__ import annotations

from datetime import timedelta

from asgard_pipelines.declarations import ResolvedModel, fingerprint
from asgard_pipelines.errors import SnapshotNotFound
from asgard_pipelines.graph.fixed_windows import outside
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.state import ElectionRecord, last_election

FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 3600
"""How long what failed waits: twice as long after each further failure."""


def pause_after(failed: int) -> int:
    """In seconds, after so many failures."""
    return min(FIRST_PAUSE_SECONDS << (failed - 1), LONGEST_PAUSE_SECONDS)


def decide_model(ground: Ground, plan: Plan, resolved: ResolvedModel) -> None:
    model = resolved.model
    verdict, reason = _model_verdict(ground, plan, resolved)
    plan.decide(f"models/{model.name}", verdict, reason)
    if verdict in ("train", "retry"):
        plan.models.append(model.name)


def _model_verdict(ground: Ground, plan: Plan, resolved: ResolvedModel) -> tuple[str, str]:
    name = resolved.model.name
    obstacle = ground.obstacle(plan, resolved.tables)
    if obstacle:
        return "wait", obstacle
    last = last_election(ground.settings, name)
    verdict, reason = due_now(ground, plan, resolved, last)
    failed, ended = ground.failures.get(name, (0, ground.now))
    if verdict != "train" or not failed:
        return verdict, reason
    pause = pause_after(failed)
    if (ground.now - ended).total_seconds() < pause:
        return "wait", f"{reason}; {_times(failed)} failed, the next try waits {pause} s"
    return "retry", f"{reason}; {_times(failed)} failed before"


def due_now(
    ground: Ground, plan: Plan, resolved: ResolvedModel, last: ElectionRecord | None
) -> tuple[str, str]:
    """`train` or `skip`, and why, whatever failed before."""
    if last is None:
        return "train", "never trained"
    if last.declaration != fingerprint(resolved):
        return "train", "its declaration changed"
    policy = resolved.model.retrain
    if policy is False:
        return "skip", "its policy says never to retrain"
    differing = [table for table in resolved.tables if ground.differs(plan, table, last.sources)]
    if not differing:
        return "skip", f"nothing changed since version {last.version}"
    if all(outside(ground, plan, resolved, table, last) for table in differing):
        return "skip", f"what changed in {', '.join(differing)} is outside its window"
    counted = policy.on or resolved.roots
    rows = {table: _changed_rows(ground, table, last) for table in counted}
    total = sum(rows.values())
    if total < policy.min_changed_rows and (policy.on or policy.min_changed_rows > 1):
        waits = f"its policy waits for {policy.min_changed_rows:,}"
        return "skip", f"{total:,} changed rows in {', '.join(counted)}; {waits}"
    age = ground.now - last.at
    if age < policy.min_interval:
        return "skip", f"trained {_span(age)} ago; its policy waits {_span(policy.min_interval)}"
    changed = ", ".join(f"{n:,} rows changed in {table}" for table, n in rows.items() if n)
    return "train", changed or f"{', '.join(differing)} was built again"


def _changed_rows(ground: Ground, table: str, last: ElectionRecord) -> int:
    """Rows that changed since the last version; all of them where its snapshot is not known any more."""
    try:
        return ground.changes(table, {**last.sources, **last.roots}.get(table)).rows
    except SnapshotNotFound:
        return ground.changes(table, None).rows


def _times(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def _span(time: timedelta) -> str:
    seconds = time.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
