"""`asgard reproduce` and `asgard diff`: an exit code, a document and a page that can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from asgard_pipelines.cli import diff, reproduce
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.training.moving_world import WORLD, World, declared, visits

Asgard = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(tracked: Settings) -> World:
    return World(tracked)


def drawn(show: Callable[[Any, Console], None], found: Any, width: int) -> str:
    out = Console(file=StringIO(), width=width)
    show(found, out)
    assert isinstance(out.file, StringIO)
    text = out.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    return text


def test_a_version_that_comes_out_again_is_zero_and_a_spoilt_one_is_not(
    world: World, asgard: Asgard, asgard_json: Callable[..., tuple[int, Any]]
) -> None:
    version = world.train(declared("churned"))
    code, told = asgard_json("reproduce", version.model_id)
    assert (code, told["reproduced"], told["reasons"]) == (0, True, [])
    assert told["read"] == version.sources
    rows = told["training_set"]["rows"]
    assert rows["then"] == rows["now"] > 300
    assert told["training_set"]["content_hash"] == dict.fromkeys(("then", "now"), version.content_hash)
    assert told["model"]["sha256"]["model.txt"] == dict.fromkeys(("then", "now"), version.sha256["model.txt"])

    world.spoil()
    code, page, _ = asgard("reproduce", version.model_id)
    assert code == 1
    assert "✗ Not reproduced: the rows come out otherwise." in page
    assert "visits in" in page
    assert told["training_set"]["content_hash"]["then"][:16] in page
    code, told = asgard_json("reproduce", version.model_id)
    assert (code, told["reproduced"], told["model"]["equal"]) == (1, False, False)
    assert list(told["training_set"]["changes"]["changed_columns"]) == ["visits"]


def test_a_version_is_called_as_elsewhere_and_a_wrong_name_meets_the_nearest(
    world: World, asgard: Asgard
) -> None:
    version = world.train(declared("churned"))
    code, _, told = asgard("reproduce", version.model_id[:-1] + "x")
    assert code == 2
    assert f"Did you mean '{version.model_id}'?" in told.replace("\n", "")
    assert asgard("diff", version.model_id, "model_churned@champion")[0] == 2


def test_on_eighty_columns_nothing_that_is_compared_is_cut(world: World) -> None:
    version = world.train(declared("churned"))
    page = drawn(reproduce.show, world.reproduce(version), 80)
    assert "…" not in page
    assert f"{version.sha256['preprocessing.skops'][:16]}" in page
    assert str(world.snapshot("gold.visits")) in page
    assert version.content_hash in drawn(reproduce.show, world.reproduce(version), 200)


def test_the_page_of_a_difference_shows_each_kind_of_it(
    world: World, asgard: Asgard, asgard_json: Callable[..., tuple[int, Any]]
) -> None:
    a = world.train(declared("churned"))
    world.lakehouse.append("gold.visits", visits(2), key="more visits")
    longer = WORLD.views[1].model_copy(update={"ttl": timedelta(days=40)})
    later = WORLD.model_copy(update={"views": [WORLD.views[0], longer]})
    resolved = declared("churned", start_date="2024-02-01")
    fewer = resolved.model_copy(update={"features": resolved.features[1:]})
    b = world.train(fewer, "xgboost", "XGBoost", declarations=later)

    code, told = asgard_json("diff", a.model_id, b.model_id)
    assert code == 0
    assert set(told) == {
        *("a", "b", "sources", "rows", "columns", "label", "features", "declared", "candidates", "metrics")
    }
    assert told["b"]["content_hash"] == b.content_hash
    for width in (80, 120):
        page = drawn(diff.show, world.compare(a, b), width)
        assert "…" not in page
        for shown in ("only in A", "- orders", "visits", "views.visits.ttl", "40 days", "XGBoost", "roc_auc"):
            assert shown.lower() in page.lower(), shown
    assert "mean" in page
    assert str(world.snapshot("gold.visits")) in page


def test_what_does_not_differ_takes_a_line(world: World) -> None:
    version = world.train(declared("value"))
    page = drawn(diff.show, world.compare(version, version), 80)
    for line in ("The same rows, columns and values.", "Declared alike.", "Fitted alike."):
        assert line in page
    assert "PSI" not in page
