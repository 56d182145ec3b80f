"""`asgard doctor`: what is missing, with the command that mends it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.cli import examinations
from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.project import init

AsgardJson = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repo, and ports that nobody holds."""
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "no_repo"))
    monkeypatch.setenv("ASGARD_DAGSTER_PORT", str(free_port()))
    monkeypatch.setenv("ASGARD_MLFLOW_PORT", str(free_port()))


def _states(document: Any) -> dict[str, str]:
    return {finding["subject"]: finding["state"] for finding in document["findings"]}


def test_what_is_missing_makes_the_code_one_and_names_its_cure(asgard_json: AsgardJson) -> None:
    code, document = asgard_json("doctor")
    assert (code, document["healthy"]) == (1, False)
    [missing] = [finding for finding in document["findings"] if finding["state"] == "missing"]
    assert missing["subject"] == "Declarations"
    assert "asgard init" in missing["mend"]


def test_a_library_that_differs_from_the_lock_is_named(
    asgard_json: AsgardJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("rich==0.1 \\\n    --hash=sha256:00\nno-such-library==2.0\n")
    monkeypatch.setattr(examinations, "_LOCK", lock)
    _, document = asgard_json("doctor")
    [libraries] = [finding for finding in document["findings"] if finding["subject"] == "Libraries"]
    assert libraries["state"] == "missing"
    assert "(locked 0.1)" in libraries["message"]
    assert "no-such-library missing" in libraries["message"]
    assert libraries["mend"] == "make setup"


def test_without_a_lock_the_wheels_own_requirements_count(
    asgard_json: AsgardJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "_LOCK", tmp_path / "absent.lock")
    assert _states(asgard_json("doctor")[1])["Libraries"] == "ok"


def test_a_home_that_cannot_be_written_is_told_and_nothing_raises(
    asgard_json: AsgardJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASGARD_HOME", str(tmp_path / "file" / "home"))
    states = _states(asgard_json("doctor")[1])
    assert (states["Home"], states["Catalog"]) == ("missing", "missing")


def test_a_person_sees_one_line_per_finding_and_its_cure(asgard: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = asgard("doctor")
    assert code == 1
    assert "✗ Declarations" in out
    assert "→ asgard init my_project" in out


def test_declarations_that_do_not_fit_the_tables_there_are_told_before_anything_is_built(
    asgard_json: AsgardJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "parcels"
    init(repo)
    monkeypatch.setenv("ASGARD_REPO", str(repo))
    assert asgard_json("land", "deliveries", str(repo / "data" / "deliveries.csv"))[0] == 0
    assert asgard_json("doctor")[0] == 0
    _replace(
        repo / "gold" / "deliveries.yaml", "  courier_id: string", "  courier_id: string\n  tip: float64"
    )
    _replace(repo / "gold" / "courier_days.sql", "avg(d.distance_km)", "avg(d.distance_mk)")
    code, document = asgard_json("doctor")
    told = {finding["subject"]: finding["message"] for finding in document["findings"]}
    assert code == 1
    assert told["gold.deliveries"].startswith("gold/deliveries.yaml:3: Column 'tip' not found")
    assert "Column 'distance_mk' not found. Did you mean 'distance_km'?" in told["gold.courier_days"]


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_online_store_that_does_not_answer_is_told(
    asgard_json: AsgardJson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "shop", empty=True)
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    assert _states(asgard_json("doctor")[1])["Online store"] == "ok"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("ASGARD_ONLINE_STORE", f"redis://:s3cret@127.0.0.1:{nobody.getsockname()[1]}/0")
        _, document = asgard_json("doctor")
    [found] = [finding for finding in document["findings"] if finding["subject"] == "Online store"]
    assert found["state"] == "missing"
    assert "does not answer" in found["message"]
    assert "s3cret" not in str(document)
