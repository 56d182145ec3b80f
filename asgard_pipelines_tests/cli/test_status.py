"""`asgard status`: the keys that others read, and a screen that a person can."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from asgard_pipelines.cli.house_state import house_state
from asgard_pipelines.cli.landing import content_key, external_table, land_rows, read_rows
from asgard_pipelines.cli.status import show
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Decision, record_decision

VERSION = "20240301_101112"


def _drawn(state: dict[str, Any], width: int) -> str:
    out = Console(file=StringIO(), width=width)
    show(state, out)
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


@pytest.fixture
def full() -> dict[str, Any]:
    """A house as `house_state` tells it, with long names."""
    now = datetime.now(UTC)
    table = {
        "snapshot": 7047977325375644757,
        "rows": 259_868,
        "watermark": None,
        "newest": None,
        "updated": now,
    }
    version = {
        "name": "production_quality",
        "framework": "sklearn",
        "version": VERSION,
        "metrics": {
            "test_roc_auc": 0.8,
            "test_accuracy": 0.9,
            "test_log_loss": 0.3,
            "test_f1": 0.5,
            "train_f1": 1.0,
        },
        "training_snapshot": 1,
    }
    return {
        "tables": [
            {**table, "name": "training_sets.production_quality", "kind": "training_set"},
            {
                **table,
                "name": "gold.purchases",
                "kind": "external",
                "watermark": datetime(2024, 2, 1, tzinfo=UTC),
            },
        ],
        "views": [],
        "models": [
            {**version, "candidate": "forest", "aliases": ["champion"]},
            {**version, "candidate": "linear", "aliases": [], "version": "20240301_101113"},
            {
                **version,
                "candidate": "linear",
                "aliases": [],
                "version": "20230301_101113",
                "training_snapshot": 0,
            },
        ],
        "predictions": [
            {
                "table": "gold.p",
                "model": "m",
                "model_version": None,
                "rows": 0,
                "last_times": None,
                "predicted_at": None,
            }
        ],
        "checks": [
            {"asset": "gold/a", "check": "contract", "passed": True, "severity": "ERROR", "description": ""},
            {
                "asset": "gold/b",
                "check": "contract",
                "passed": False,
                "severity": "ERROR",
                "description": "no [x]",
            },
            {"asset": "gold/c", "check": "contract", "passed": None, "severity": "", "description": ""},
        ],
        "decisions": [{"at": now, "subject": "models/m", "verdict": "train", "reason": "never [trained]"}],
    }


def test_an_empty_house_has_every_key_and_says_what_to_do(settings: Settings) -> None:
    state = house_state(settings, Declarations(project="empty"))
    assert state == {
        "tables": [],
        "views": [],
        "models": [],
        "predictions": [],
        "checks": [],
        "decisions": [],
    }
    assert "asgard land" in _drawn(state, 80)


def test_a_landed_table_is_told_with_its_snapshot_rows_and_watermark(
    settings: Settings, shop: Declarations, tmp_path: Path
) -> None:
    lakehouse = Lakehouse(settings)
    path = tmp_path / "january.csv"
    path.write_text("customer,sold_at,pieces,amount\n7,2024-01-05T10:00:00,2,3.50\n")
    sales = external_table(shop, "sales")
    land_rows(lakehouse, sales, read_rows(path, {}), key=content_key(path), properties={})
    record_decision(settings, Decision(subject="gold/totals", verdict="build", reason="its sources changed"))

    state = house_state(settings, shop)
    [table] = state["tables"]
    assert (table["name"], table["kind"], table["rows"]) == ("gold.sales", "external", 1)
    assert table["snapshot"] == lakehouse.pin("gold.sales").snapshot_id
    assert table["watermark"] == datetime(2024, 2, 1, tzinfo=UTC)
    assert {check["asset"] for check in state["checks"]} == {"gold/sales", "gold/totals"}
    assert [decision["subject"] for decision in state["decisions"]] == ["gold/totals"]


def test_on_eighty_columns_no_name_and_no_figure_is_cut(full: dict[str, Any]) -> None:
    text = _drawn(full, 80)
    assert "…" not in text
    for shown in (
        "training_sets.production_quality",
        "259,868",
        "2024-02-01",
        VERSION,
        "0.8000",
        "★ champion",
    ):
        assert shown in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_where_there_is_room_snapshots_stand_in_full(full: dict[str, Any]) -> None:
    assert "7047977325375644757" in _drawn(full, 120)


def test_a_model_shows_its_newest_candidates_and_counts_the_older_versions(full: dict[str, Any]) -> None:
    text = _drawn(full, 80)
    assert "forest (sklearn)" in text
    assert "20230301_101113" not in text
    assert "1 older version" in text


def test_failed_checks_are_told_and_unknown_ones_counted(full: dict[str, Any]) -> None:
    text = _drawn(full, 80)
    assert "1 of 2 passed, 1 not evaluated yet" in text
    assert "✗ gold/b contract: no [x]" in text
    assert "never [trained]" in text
