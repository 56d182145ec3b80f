"""From the lakehouse into the online store: what changed between two snapshots, and nothing else.

What the store shall hold of a view is a function of its table's snapshot and of an instant: of each key the
row that the offline join gives as of then. `one_run.py` does a run and keeps the ledger;
`difference.py` brings the store from one snapshot to the next by the files that differ, `whole.py` to a
snapshot from nothing, or from what another declaration left, and `window.py` writes the rows of a span of
time. `plan.py` says beforehand what that takes. No Feast here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization.course import Window
    from asgard_pipelines.features.materialization.one_run import Asked, materialize
    from asgard_pipelines.features.materialization.plan import MaterializationPlan, plan_materialization

_HOME = {
    "Asked": "one_run",
    "MaterializationPlan": "plan",
    "Window": "course",
    "materialize": "one_run",
    "plan_materialization": "plan",
}

__all__ = ["Asked", "MaterializationPlan", "Window", "materialize", "plan_materialization"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
