"""The loop closes: what lands is built, learnt and predicted, once, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asgard_pipelines.graph import RunOutcome, reconcile
from asgard_pipelines.graph.house import PinnedRun
from asgard_pipelines.models import ModelRegistry
from asgard_pipelines.state import last_decisions, last_election


def versions(shop: Any) -> list[str]:
    return sorted(version.version for version in ModelRegistry(shop.settings).versions("returning"))


def keep_up(shop: Any) -> list[RunOutcome]:
    outcomes = reconcile(shop.settings, shop.declarations)
    assert [outcome.failures for outcome in outcomes if not outcome.succeeded] == []
    return outcomes


def test_the_first_landing_builds_trains_and_predicts_in_one_run(shop: Any) -> None:
    (outcome,) = keep_up(shop)
    election = last_election(shop.settings, "returning")
    assert election is not None
    assert election.run_id == outcome.run_id
    assert len(versions(shop)) == 2
    predictions = shop.rows("gold.return_predictions")
    assert {row["model_version"] for row in predictions} == {election.version}
    newest = max(row["created_at"] for row in shop.rows("gold.customer_habits"))
    assert {row["created_at"] for row in predictions} == {newest}


def test_a_second_look_finds_nothing_due(shop: Any) -> None:
    keep_up(shop)
    before = versions(shop)
    assert keep_up(shop) == []
    assert versions(shop) == before


def test_a_landing_retrains_once_and_predicts_the_new_month_with_the_version_elected(shop: Any) -> None:
    keep_up(shop)
    shop.land("2024-10")
    (outcome,) = keep_up(shop)
    assert keep_up(shop) == []
    assert len(versions(shop)) == 4
    election = last_election(shop.settings, "returning")
    assert election is not None
    assert election.run_id == outcome.run_id
    predictions = shop.rows("gold.return_predictions")
    months = sorted({str(row["created_at"])[:7] for row in predictions})
    assert months == ["2024-10", "2024-11"]
    assert {r["model_version"] for r in predictions if str(r["created_at"])[:7] == "2024-11"} == {
        election.version
    }


def test_two_landings_cause_one_run(shop: Any) -> None:
    keep_up(shop)
    shop.land("2024-10")
    shop.land("2024-11")
    assert len(keep_up(shop)) == 1
    assert len(versions(shop)) == 4


def test_a_compaction_starts_nothing(shop: Any) -> None:
    keep_up(shop)
    shop.compact()
    assert keep_up(shop) == []


def test_a_restatement_of_old_rows_retrains_once(shop: Any) -> None:
    keep_up(shop)
    shop.restate("2024-03")
    assert len(keep_up(shop)) == 1
    assert len(versions(shop)) == 4
    assert keep_up(shop) == []


def test_a_failed_retraining_is_tried_again(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_up(shop)
    shop.land("2024-10")
    # The fault stands at a boundary: where artefacts are stored there is a file, not a folder.
    artefacts = Path(shop.settings.artefact_root)
    artefacts.rename(artefacts.with_name("elsewhere"))
    artefacts.write_text("not a folder")
    (failed,) = reconcile(shop.settings, shop.declarations)
    assert not failed.succeeded
    artefacts.unlink()
    artefacts.with_name("elsewhere").rename(artefacts)
    decided = reconcile(shop.settings, shop.declarations)
    assert decided == []
    newest = next(d for d in last_decisions(shop.settings) if d.subject == "models/returning")
    assert newest.verdict == "wait"
    monkeypatch.setattr("asgard_pipelines.graph.due_models.FIRST_PAUSE_SECONDS", 0)
    (again,) = keep_up(shop)
    assert again.succeeded
    assert len(versions(shop)) == 4


def test_a_landing_in_the_middle_of_a_run_is_not_read_by_it(shop: Any) -> None:
    keep_up(shop)
    shop.land("2024-10")
    before = shop.lakehouse.pin("gold.sales")
    landed = []

    def land_more(event: Any) -> None:
        if event.kind == "materialized" and event.asset == "gold/customer_habits" and not landed:
            landed.append(event)
            shop.land("2024-11")

    first, second = reconcile(shop.settings, shop.declarations, on_event=land_more)
    assert first.succeeded
    assert second.succeeded
    registry = ModelRegistry(shop.settings)
    by_root = {version.roots["gold.sales"] for version in registry.versions("returning")}
    assert before.snapshot_id in by_root
    assert shop.lakehouse.pin("gold.sales").snapshot_id in by_root
    assert len(by_root) == 3


def test_every_table_is_read_at_one_snapshot_in_a_run(shop: Any) -> None:
    run = PinnedRun(shop.settings, "one")
    pinned = run.pin("gold.sales")
    shop.land("2024-10")
    assert run.pin("gold.sales") == pinned
    assert PinnedRun(shop.settings, "another").pin("gold.sales") != pinned


def test_an_old_partition_stays_as_it_was_when_a_month_lands(shop: Any) -> None:
    keep_up(shop)
    shop.land("2024-10")
    (outcome,) = keep_up(shop)
    with dg.DagsterInstance.from_config(str(shop.settings.dagster_home)) as instance:
        built = [
            entry.dagster_event.partition
            for entry in instance.all_logs(outcome.run_id)
            if entry.dagster_event
            and entry.dagster_event.is_step_materialization
            and entry.dagster_event.asset_key == dg.AssetKey(["gold", "customer_habits"])
        ]
    assert "2024-11" in built
    assert "2024-05" not in built
