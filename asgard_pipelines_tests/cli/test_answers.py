"""What every command promises: answers on stdout, the rest on stderr, one message, one code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from asgard_pipelines.cli import command
from asgard_pipelines.cli.console import answer, shown
from asgard_pipelines.errors import BackendUnavailable

Shell = Callable[..., subprocess.CompletedProcess[str]]
Asgard = Callable[..., tuple[int, str, str]]
AsgardJson = Callable[..., tuple[int, Any]]

HEAVY = [
    "dagster",
    "feast",
    "mlflow",
    "pyiceberg",
    "duckdb",
    "sklearn",
    "pandas",
    "numpy",
    "pyarrow",
    "sqlalchemy",
    "pydantic",
]


def test_help_imports_no_room_and_no_vendor() -> None:
    code = f"""
import sys
from asgard_pipelines.cli.command import run
assert run(["--help"]) == 0
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    assert "demo" in done.stdout


def test_a_wrong_option_is_the_users_mistake(asgard: Asgard) -> None:
    code, out, err = asgard("sql", "SELECT 1", "--limits", "3")
    assert (code, out) == (2, "")
    assert "--limits" in err
    assert "asgard sql --help" in err


def test_a_mistake_with_json_is_an_envelope_and_nothing_else(asgard_json: AsgardJson) -> None:
    code, document = asgard_json("sql", "SELECT * FROM purchasez")
    assert code == 2
    assert document["error"]["code"] == "TABLE_NOT_FOUND"
    assert set(document["error"]) == {"code", "message", "details"}


def test_a_missing_argument_with_json_is_an_envelope(asgard_json: AsgardJson) -> None:
    code, document = asgard_json("land", "gold.purchases")
    assert (code, document["error"]["code"]) == (2, "VALIDATION_ERROR")


def test_a_setting_that_cannot_be_used_names_its_variable(
    asgard: Asgard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_DAGSTER_PORT", "many")
    code, _, err = asgard("config")
    assert code == 2
    assert "ASGARD_DAGSTER_PORT='many'" in err


def test_a_failure_that_is_not_the_users_has_code_one(
    asgard: Asgard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BackendUnavailable("The catalog is away.")

    monkeypatch.setattr(command, "app", fails)
    code, _, err = asgard("status")
    assert (code, err) == (1, "✗ The catalog is away.\n")


def test_what_libraries_print_does_not_reach_an_answer(
    asgard_json: AsgardJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatters(*_: object, **__: object) -> None:
        print("a library says hello")
        answer({"told": True})

    monkeypatch.setattr(command, "app", chatters)
    assert asgard_json("status") == (0, {"told": True})


def test_an_answer_is_json_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"nan": float("nan"), "when": datetime(2024, 1, 1, tzinfo=UTC), "sum": [Decimal("1.50")]})
    found = json.loads(capsys.readouterr().out)
    assert found == {"nan": None, "when": "2024-01-01T00:00:00+00:00", "sum": [1.5]}


def test_text_from_outside_is_shown_as_text() -> None:
    assert shown("[red]not red[/red]") == r"\[red]not red\[/red]"


def test_the_command_runs_as_a_process(shell: Shell) -> None:
    done = shell("version", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"version"}


@pytest.mark.parametrize("arguments", ["config --json", "config", "version", "--help"])
def test_a_reader_that_went_away_causes_no_noise(shell: Shell, arguments: str) -> None:
    command_line = f"{sys.executable} -m asgard_pipelines.cli {arguments} | (exec 0<&-; sleep 1)"
    done = subprocess.run(["bash", "-c", command_line], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
