"""New projects: they compile as they come, and never overwrite."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv as csv
import pytest

from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.features import read_repo
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.empty_project import PLATFORM

pytestmark = [
    # Feast's and the frameworks' own; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_a_starter_compiles_with_state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASGARD_HOME", raising=False)
    written = init(tmp_path / "parcels")
    assert {"parcels/repo.py", "parcels/.feastignore", "parcels/.gitignore"} <= set(written)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "parcels"))
    declared = load(Settings.read())
    assert declared.project == "parcels"
    assert declared.model("late_delivery").roots == ["gold.deliveries"]
    assert declared.prediction("late_deliveries").model_id == "late_delivery"
    assert Settings.read().state_folder == tmp_path / "parcels" / ".asgard"
    assert [p.name for p in tmp_path.iterdir()] == ["parcels"]


def test_the_starter_s_data_are_what_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(tmp_path / "parcels")
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "parcels"))
    rows = csv.read_csv(tmp_path / "parcels" / "data" / "deliveries.csv")
    assert rows.column_names == list(load(Settings.read()).gold_by_table["gold.deliveries"].columns)
    assert len(rows) == 1500


def test_an_empty_project_declares_nothing_but_asgard_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "bare", empty=True)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "bare"))
    declared = load(Settings.read())
    assert (declared.project, declared.models) == ("bare", [])
    assert all(table.about_asgard for table in declared.gold)
    assert [view.name for view in declared.views] == PLATFORM


def test_two_projects_are_read_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, views in (("one", ["courier_record"]), ("two", [])):
        init(tmp_path / name, empty=name == "two")
        monkeypatch.setenv("ASGARD_REPO", str(tmp_path / name))
        assert {view.name for view in read_repo(Settings.read()).views} - set(PLATFORM) == set(views)


@pytest.mark.parametrize("name", ["9lives", "my-project", "a b", "ü"])
def test_a_name_that_feast_would_refuse_is_refused_here(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="cannot be a project's name"):
        init(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict, match="is there already"):
        init(tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert "mine/feature_store.yaml" in init(tmp_path / "mine")
