"""The loop closes: what lands is built, learnt and predicted, once, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asgard_pipelines.graph import RunEvent, RunOutcome, due, open_instance, reconcile, run_assets
from asgard_pipelines.graph.house import House, PinnedRun
from asgard_pipelines.graph.keeping_up import ground_of, next_step
from asgard_pipelines.graph.observation import report
from asgard_pipelines.graph.reconciliation import reconciliation
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.state import (
    ElectionRecord,
    Figures,
    begin_materialization,
    fail_materialization,
    last_decisions,
    last_election,
    materializations,
)


def versions(shop: Any) -> list[str]:
    return sorted(version.version for version in ModelRegistry(shop.settings).versions("returning"))


def elected(shop: Any) -> ElectionRecord:
    election = last_election(shop.settings, "returning")
    assert election is not None
    return election


def predicted(shop: Any, month: str) -> set[object]:
    """The model versions named by the predictions of a month's first instant."""
    rows = shop.rows("gold.return_predictions")
    return {row["model_version"] for row in rows if str(row["created_at"]).startswith(month)}


def keep_up(shop: Any, on_event: Callable[[RunEvent], None] | None = None) -> list[RunOutcome]:
    outcomes = reconcile(shop.settings, shop.declarations, on_event=on_event)
    assert [outcome.failures for outcome in outcomes if not outcome.succeeded] == []
    return outcomes


@pytest.fixture
def settled(shop: Any) -> Any:
    """The shop, with nothing due."""
    keep_up(shop)
    return shop


def test_the_first_landing_builds_trains_and_predicts_in_one_run(shop: Any) -> None:
    heard: list[RunEvent] = []
    (outcome,) = keep_up(shop, heard.append)
    assert elected(shop).run_id == outcome.run_id
    assert len(versions(shop)) == 2
    months = {str(row["created_at"])[:7] for row in shop.rows("gold.return_predictions")}
    assert months == {"2024-10"}  # the newest complete month only
    assert predicted(shop, "2024-10") == {elected(shop).version}
    scored = len(shop.rows("gold.return_predictions"))
    progress = [(event.asset, event.done, event.total) for event in heard if event.kind == "rows"]
    habits = len({row["customer_id"] for row in shop.rows("gold.customer_habits")})
    assert progress == [
        ("online/habits", habits, habits),
        *(("predictions/return_predictions", done, scored) for done in (0, scored)),
    ]


def test_a_second_look_finds_nothing_due(settled: Any) -> None:
    before = versions(settled)
    assert keep_up(settled) == []
    assert versions(settled) == before


def test_a_landing_retrains_once_and_predicts_the_new_month_with_the_version_elected(settled: Any) -> None:
    before = len(versions(settled))
    assert settled.land() == "2024-10"
    (outcome,) = keep_up(settled)
    assert keep_up(settled) == []
    assert len(versions(settled)) == before + 2
    assert elected(settled).run_id == outcome.run_id
    assert predicted(settled, "2024-11") == {elected(settled).version}
    assert len(predicted(settled, "2024-10")) == 1  # published before, and left as it was


def test_a_prediction_is_traced_by_column_to_what_landed(settled: Any) -> None:
    def sources(asset: str, column: str) -> set[tuple[str, str]]:
        event = instance.get_latest_materialization_event(dg.AssetKey.from_user_string(asset))
        assert event is not None
        assert event.asset_materialization is not None
        lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
        assert isinstance(lineage, dg.TableColumnLineage)
        deps = lineage.deps_by_column[column]
        return {(dep.asset_key.to_user_string(), dep.column_name) for dep in deps}

    with dg.DagsterInstance.from_config(str(settled.settings.dagster_home)) as instance:
        scored = sources("predictions/return_predictions", "return_probability")
        assert ("features/habits", "spent") in scored
        assert sources("training_sets/returning", "spent") == {("features/habits", "spent")}
        assert sources("training_sets/returning", "returned") == {("gold/returns", "returned")}
        assert sources("features/habits", "spent") == {("gold/customer_habits", "spent")}
        assert sources("gold/customer_habits", "spent") == {("gold/sales", "amount")}


def test_only_what_a_landing_reaches_is_built_again(settled: Any) -> None:
    settled.land()
    (outcome,) = keep_up(settled)
    with dg.DagsterInstance.from_config(str(settled.settings.dagster_home)) as instance:
        built = [
            entry.dagster_event.partition
            for entry in instance.all_logs(outcome.run_id)
            if entry.dagster_event
            and entry.dagster_event.is_step_materialization
            and entry.dagster_event.asset_key == dg.AssetKey(["gold", "customer_habits"])
        ]
    assert "2024-12" in built
    assert "2024-05" not in built


def test_two_landings_cause_one_run(settled: Any) -> None:
    before = len(versions(settled))
    settled.land()
    settled.land()
    assert len(keep_up(settled)) == 1
    assert len(versions(settled)) == before + 2


def lose_online(shop: Any) -> None:
    for file in shop.settings.state_folder.glob("online_store.db*"):
        file.unlink()


def test_what_could_not_be_brought_online_is_tried_again_later(
    settled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_online(settled)
    done = materializations(settled.settings, view="habits")[0]
    tried = done.model_copy(update={"run_id": "tried", "started": datetime.now(UTC), "finished": None})
    begin_materialization(settled.settings, tried)
    fail_materialization(settled.settings, "tried", "no room", Figures())
    assert reconcile(settled.settings, settled.declarations) == []
    newest = next(d for d in last_decisions(settled.settings) if d.subject == "online/habits")
    assert (newest.verdict, "the next try waits 30 s" in newest.reason) == ("wait", True)
    monkeypatch.setattr("asgard_pipelines.graph.due_models.FIRST_PAUSE_SECONDS", 0)
    assert len(keep_up(settled)) == 1


def test_a_view_that_the_store_has_lost_is_brought_there_again(settled: Any) -> None:
    from asgard_pipelines.features.online import online_store

    store, habits = online_store(settled.settings), settled.declarations.view("habits")
    lose_online(settled)
    (outcome,) = keep_up(settled)
    assert "online/habits" in outcome.selection
    assert not [key for key in outcome.selection if key.startswith(("gold/", "models/"))]
    assert store.count(habits) == len({row["customer_id"] for row in settled.rows("gold.customer_habits")})
    assert keep_up(settled) == []


def test_a_compaction_starts_nothing(settled: Any) -> None:
    settled.compact()
    assert keep_up(settled) == []


def test_a_restatement_of_old_rows_retrains_once(settled: Any) -> None:
    before = len(versions(settled))
    settled.restate("2024-03")
    assert len(keep_up(settled)) == 1
    assert len(versions(settled)) == before + 2
    assert keep_up(settled) == []


def test_a_failed_retraining_is_tried_again(settled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(versions(settled))
    settled.land()
    # The fault stands at a boundary: where artefacts are stored there is a file, not a folder.
    artefacts = Path(settled.settings.artefact_root)
    artefacts.rename(artefacts.with_name("elsewhere"))
    artefacts.write_text("not a folder")
    (failed,) = reconcile(settled.settings, settled.declarations)
    assert not failed.succeeded
    artefacts.unlink()
    artefacts.with_name("elsewhere").rename(artefacts)
    assert reconcile(settled.settings, settled.declarations) == []
    newest = next(d for d in last_decisions(settled.settings) if d.subject == "models/returning")
    assert newest.verdict == "wait"
    monkeypatch.setattr("asgard_pipelines.graph.due_models.FIRST_PAUSE_SECONDS", 0)
    (again,) = keep_up(settled)
    assert again.succeeded
    assert len(versions(settled)) == before + 2


def test_a_landing_in_the_middle_of_a_run_is_not_read_by_it(settled: Any) -> None:
    settled.land()
    at_start = settled.lakehouse.pin("gold.sales").snapshot_id
    landed: list[str] = []

    def land_more(event: Any) -> None:
        if event.kind == "materialized" and event.asset == "gold/customer_habits" and not landed:
            landed.append(settled.land())

    first, second = reconcile(settled.settings, settled.declarations, on_event=land_more)
    assert first.succeeded
    assert second.succeeded
    trained = {
        version.roots["gold.sales"] for version in ModelRegistry(settled.settings).versions("returning")
    }
    assert {at_start, settled.lakehouse.pin("gold.sales").snapshot_id} <= trained


def test_a_run_reads_what_was_decided_on_though_more_landed_before_it_began(settled: Any) -> None:
    settled.land()
    with open_instance(settled.settings) as instance:
        step = next_step(settled.settings, settled.lakehouse, settled.declarations, instance)
        report(step.observed, instance)
    decided = settled.lakehouse.pin("gold.sales").snapshot_id
    settled.land()
    assert step.request is not None
    keys = list(step.request.asset_selection or [])
    assert run_assets(settled.settings, settled.declarations, keys, tags=step.request.tags).succeeded
    assert elected(settled).roots == {"gold.sales": decided}
    # What landed in between counts as changed, also for a policy that waits for so many rows.
    (due_next,) = (d for d in due(settled.settings, settled.declarations) if d.subject == "models/returning")
    assert "rows changed in gold.sales" in due_next.reason
    assert len(keep_up(settled)) == 1
    assert elected(settled).roots == {"gold.sales": settled.lakehouse.pin("gold.sales").snapshot_id}


def test_what_lands_while_it_is_decided_is_decided_next(settled: Any) -> None:
    with open_instance(settled.settings) as instance:
        ground = ground_of(settled.settings, settled.lakehouse, settled.declarations, instance)
    settled.land()
    assert reconciliation(ground).empty
    assert len(keep_up(settled)) == 1


def test_a_run_that_is_executed_again_reads_what_stands_then(settled: Any) -> None:
    settled.land()
    with open_instance(settled.settings) as instance:
        step = next_step(settled.settings, settled.lakehouse, settled.declarations, instance)
    decided = settled.lakehouse.pin("gold.sales")
    settled.land()
    assert step.request is not None
    first = dg.DagsterRun("job", tags=step.request.tags)
    again = dg.DagsterRun("job", tags=step.request.tags, root_run_id=first.run_id, parent_run_id=first.run_id)
    assert House().run(first).pin("gold.sales") == decided
    assert House().run(again).pin("gold.sales") == settled.lakehouse.pin("gold.sales")


def test_every_table_is_read_at_one_snapshot_in_a_run(shop: Any) -> None:
    pinned = PinnedRun(shop.settings, "one").pin("gold.sales")
    shop.land()
    assert PinnedRun(shop.settings, "one").pin("gold.sales") == pinned
    assert PinnedRun(shop.settings, "another").pin("gold.sales") != pinned
