"""Runs of uploaded scripts in the graph: they materialize nothing, and nobody waits for them as for such."""

from __future__ import annotations

import dagster as dg
from dagster import DagsterRunStatus

from asgard_pipelines.graph.run_history import SCRIPT_JOB, run_under_way
from asgard_pipelines.graph.script_runs import script_job


def test_a_script_that_waits_or_runs_keeps_no_training_waiting() -> None:
    wanted = [dg.AssetKey(["models", "churn"])]
    with dg.DagsterInstance.ephemeral() as instance:
        instance.create_run_for_job(script_job(), status=DagsterRunStatus.STARTED)
        assert run_under_way(instance, wanted) is None


def test_a_run_of_another_job_that_says_no_assets_does() -> None:
    @dg.job
    def other() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(other, status=DagsterRunStatus.STARTED)
        assert run_under_way(instance, [dg.AssetKey("any")]) == run.run_id


def test_the_job_is_called_as_it_is_launched() -> None:
    assert script_job().name == SCRIPT_JOB
