"""Runs asked for from outside the graph: the ordinary ones that the daemon does, and how they went."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from asgard_pipelines.declarations import Declarations, Prediction
from asgard_pipelines.errors import Conflict, NotFound
from asgard_pipelines.graph.asked_plans import prediction_plan, training_plan
from asgard_pipelines.graph.handoff import handed_over
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.graph.keeping_up import ground_of, request_for
from asgard_pipelines.graph.keys import candidate_key, model_key
from asgard_pipelines.graph.launching import (
    launch,
    launch_job,
    require_loaded,
    require_running,
    terminate,
)
from asgard_pipelines.graph.materialization_runs import (
    MaterializationState,
    asked_assets,
    asked_tags,
    materialization_state,
)
from asgard_pipelines.graph.observation import report
from asgard_pipelines.graph.plan import Ground, Plan
from asgard_pipelines.graph.reloading import Reloading
from asgard_pipelines.graph.run_history import (
    PREDICTION_ID_TAG,
    PRINCIPAL_TAG,
    SCRIPT_JOB,
    SCRIPT_JOB_TAG,
    bury_dead_runs,
    run_under_way,
)
from asgard_pipelines.graph.run_states import RunState, run_state, tagged_run
from asgard_pipelines.models import ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import Election

if TYPE_CHECKING:
    from asgard_pipelines.features.materialization import Window
    from asgard_pipelines.lakehouse import Lakehouse

_AROUND_A_SCRIPT_SECONDS = 600
"""For what is done before and after it; then Dagster ends its run."""
_RUN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_MATERIALIZATION_ID = re.compile(r"mat_[A-Za-z0-9]{1,60}")


class RunClient:
    """Asks the Dagster at `dagster` (its webserver's address). Safe to use from several threads."""

    def __init__(self, settings: Settings, lakehouse: Lakehouse, dagster: str) -> None:
        self._settings, self._lakehouse, self._dagster = settings, lakehouse, dagster
        self.reloading = Reloading(dagster)

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        return open_instance(self._settings)

    def require_running(self) -> None:
        """Raises BackendUnavailable: nobody would do a run."""
        require_running(self._dagster)

    def reload(self) -> None:
        """Has Dagster load the declarations anew. Raises BackendUnavailable."""
        require_loaded(self.reloading)

    def train(self, declarations: Declarations, name: str, principal: str) -> str | None:
        """Asks for the model's training; the run's id, None when nothing is due.

        A run under way that does it already is taken for the one asked for.

        Raises:
            ModelNotFound
            Conflict: what it stands on is not there yet.
            BackendUnavailable
        """
        ground = self._ground(declarations)
        plan = training_plan(ground, name)
        if plan.empty:
            return None
        busy = run_under_way(self._instance, plan.selection)
        if busy and set(plan.selection) <= self._selection(busy):
            return busy
        return self._launch(ground, plan, {PRINCIPAL_TAG: principal})

    def predict(
        self, declarations: Declarations, prediction: Prediction, prediction_id: str, principal: str
    ) -> str:
        """Asks for a publication that is to have that id; the run's id.

        Raises:
            Conflict: what it stands on is not there yet.
            BackendUnavailable
        """
        ground = self._ground(declarations)
        tags = {PRINCIPAL_TAG: principal, PREDICTION_ID_TAG: prediction_id}
        return self._launch(ground, prediction_plan(ground, prediction), tags)

    def materialize(
        self,
        declarations: Declarations,
        views: Sequence[str],
        window: Window | None,
        materialization_id: str,
        principal: str,
    ) -> str:
        """Asks for a run that brings these views online, by an id (`new_materialization_id`); the run's id.

        Args:
            window: only rows of these event times, both included; the watermark stays. None: what changed.

        Raises:
            FeatureViewNotFound
            Invalid: no view, one that is not online, or a window that ends before it begins.
            Conflict: a view's table has not been written yet.
            BackendUnavailable
        """
        keys = asked_assets(declarations, views, window)
        tags = asked_tags(self._settings, materialization_id, window)
        for table in {declarations.view(name).table for name in views}:
            if not self._lakehouse.exists(table):
                raise Conflict(f"Table '{table}' has not been written yet.", table=table)
        return launch(self._dagster, keys, {**tags, PRINCIPAL_TAG: principal})

    def materialization(self, materialization_id: str) -> MaterializationState:
        """How one that was asked for goes. Raises NotFound."""
        if not _MATERIALIZATION_ID.fullmatch(materialization_id):
            raise NotFound(
                f"Materialization '{materialization_id}' not found.", materialization_id=materialization_id
            )
        return materialization_state(self._settings, self._instance, materialization_id)

    def run_script(self, job_id: str, principal: str) -> str:
        """Asks for the run of an uploaded script; the run's id. One that was asked for before is taken.

        Raises:
            BackendUnavailable
        """
        longest = str(int(self._settings.scripts_seconds) + _AROUND_A_SCRIPT_SECONDS)
        tags = {PRINCIPAL_TAG: principal, SCRIPT_JOB_TAG: job_id, "dagster/max_runtime": longest}
        return self.script_run(job_id) or launch_job(self._dagster, SCRIPT_JOB, tags)

    def script_run(self, job_id: str) -> str | None:
        """The id of the run that was asked for an uploaded script."""
        found = tagged_run(self._instance, SCRIPT_JOB_TAG, job_id)
        return found.run_id if found else None

    def cancel(self, run_id: str) -> None:
        """Asks for a run to be ended. Raises BackendUnavailable."""
        terminate(self._dagster, run_id)

    def bury_dead(self) -> None:
        """Runs whose worker was killed have failed from now on."""
        bury_dead_runs(self._settings, self._instance)

    def ended(self, run_id: str) -> bool:
        """Whether the run has ended, well or badly; a run that is not there has."""
        run = self._instance.get_run_by_id(run_id)
        return run is None or run.is_finished

    def state(self, run_id: str) -> RunState:
        """Raises NotFound."""
        if not _RUN_ID.fullmatch(run_id):
            raise NotFound(f"Run '{run_id}' not found.", run_id=run_id)
        return run_state(self._instance, run_id)

    def training_under_way(self, declarations: Declarations, name: str) -> str | None:
        """The id of an unfinished run that elects a version of the model."""
        return run_under_way(self._instance, [model_key(declarations.model(name).model)])

    def trained(self, declarations: Declarations, name: str, run_id: str) -> tuple[ModelVersion, Election]:
        """The version that a run trained, the best of its candidates, and the election in which it stood.

        Raises:
            NotFound: that run elected nothing.
        """
        from asgard_pipelines.training import best_version  # scikit-learn: seconds

        model = declarations.model(name).model
        election = handed_over(self._settings, model_key(model), run_id, Election)
        versions = [
            handed_over(self._settings, candidate_key(model, one.name), run_id, ModelVersion)
            for one in model.all_candidates
        ]
        return best_version(versions, election.scores, election.metric), election

    def prediction_run(self, prediction_id: str) -> RunState | None:
        """The newest run that was asked for a prediction by that id."""
        return tagged_run(self._instance, PREDICTION_ID_TAG, prediction_id)

    def _ground(self, declarations: Declarations) -> Ground:
        bury_dead_runs(self._settings, self._instance)
        return ground_of(self._settings, self._lakehouse, declarations, self._instance)

    def _launch(self, ground: Ground, plan: Plan, tags: dict[str, str]) -> str:
        if plan.partitions:
            report(ground.observed, self._instance)  # a run's range is of keys that Dagster knows
        request = request_for(self._settings, self._lakehouse, ground.observed, plan, self._instance)
        return launch(self._dagster, plan.selection, {**request.tags, **tags})

    def _selection(self, run_id: str) -> set[dg.AssetKey]:
        run = self._instance.get_run_by_id(run_id)
        return set(run.asset_selection or ()) if run else set()
