"""The demo's data land month by month, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from asgard_pipelines.cli.demo.landings import LAST_OF_FIRST, PURCHASES, land_first_months, land_next_month
from asgard_pipelines.cli.demo.repo import bundled_repo, ensure_repo
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project.gold_files import read_gold
from asgard_pipelines.settings import Settings


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


@pytest.fixture(scope="module")
def demo() -> Declarations:
    folder = bundled_repo() / "gold"
    return Declarations(
        project="demo",
        gold=[read_gold(path, path.name, "gold") for path in sorted(folder.glob("*.yaml"))],
    )


def test_each_month_is_one_snapshot_and_a_second_time_nothing_lands(
    lakehouse: Lakehouse, demo: Declarations
) -> None:
    landed = [landing.name for landing in land_first_months(lakehouse, demo)]
    months = [f"1997-{month:02}" for month in range(1, 13)] + ["1998-01", "1998-02", "1998-03"]
    assert landed == [*months, "all", "synthetic", "synthetic", "synthetic"]
    history = lakehouse.catalog.load(PURCHASES).history()
    assert len(history) == 15
    summaries = [lakehouse.summary(lakehouse.pin(PURCHASES, entry.snapshot_id)) for entry in history]
    assert [summary["asgard.landing"] for summary in summaries] == months
    assert list(land_first_months(lakehouse, demo)) == []


def test_three_months_are_left_to_land_one_by_one(lakehouse: Lakehouse, demo: Declarations) -> None:
    list(land_first_months(lakehouse, demo))
    names = []
    for _ in range(4):
        landing, left = land_next_month(lakehouse, demo)
        names.append((landing.name if landing else None, left))
    assert names == [
        ("1998-04", ["1998-05", "1998-06"]),
        ("1998-05", ["1998-06"]),
        ("1998-06", []),
        (None, []),
    ]
    assert lakehouse.state(PURCHASES).rows == 69_659


def test_a_demo_that_was_interrupted_goes_on_where_it_stopped(
    lakehouse: Lakehouse, demo: Declarations
) -> None:
    first = [landing.name for landing, _ in zip(land_first_months(lakehouse, demo), range(4), strict=False)]
    with pytest.raises(Conflict, match="asgard demo"):
        land_next_month(lakehouse, demo)
    rest = [landing.name for landing in land_first_months(lakehouse, demo)]
    assert [*first, *rest][-5:-3] == [LAST_OF_FIRST, "all"]
    assert not set(first) & set(rest)


def test_the_declarations_are_written_where_there_is_no_repo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASGARD_REPO", raising=False)
    assert ensure_repo(Settings.read())
    assert (tmp_path / "feature_repo" / "gold" / "purchases.yaml").is_file()
    assert not list(tmp_path.rglob("__pycache__"))
    assert not ensure_repo(Settings.read())


def test_a_project_of_ones_own_is_not_taken_for_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "mine"))
    with pytest.raises(Invalid, match="without ASGARD_REPO"):
        ensure_repo(Settings.read())
    assert list((tmp_path / "mine").iterdir()) == []
