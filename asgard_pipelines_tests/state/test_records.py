"""Asgard's own records: what was decided, elected, pinned; and who works on what."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from asgard_pipelines.errors import BackendUnavailable, InvalidSettings
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import (
    Decision,
    Difference,
    last_decisions,
    made,
    made_revision,
    move_pin,
    pin_once,
    recall_difference,
    record_decision,
    remember_difference,
    run_pins,
    sign_in,
    worker_is_gone,
)
from asgard_pipelines.state import database as room


def test_a_decision_is_recorded_once_until_it_changes(settings: Settings) -> None:
    skip = Decision(subject="models/churn", verdict="skip", reason="nothing changed")
    train = Decision(subject="models/churn", verdict="train", reason="3 rows changed")
    assert [record_decision(settings, d) for d in (skip, skip, train, train, skip)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert [d.verdict for d in last_decisions(settings)] == ["skip", "train", "skip"]


def test_the_first_pin_of_a_run_holds_until_the_run_writes_the_table_itself(settings: Settings) -> None:
    assert pin_once(settings, "run", "gold.sales", 1) == 1
    assert pin_once(settings, "run", "gold.sales", 2) == 1
    assert pin_once(settings, "other", "gold.sales", 2) == 2
    move_pin(settings, "run", "gold.sales", 3)
    assert run_pins(settings, "run") == {"gold.sales": 3}


def test_a_difference_is_remembered_with_its_times_in_utc(settings: Settings) -> None:
    found = Difference(added=3, removed=1, first=datetime(2024, 1, 1, tzinfo=UTC), last=None)
    assert recall_difference(settings, "gold.sales", 1, 2) is None
    remember_difference(settings, "gold.sales", 1, 2, found)
    remember_difference(settings, "gold.sales", 1, 2, found)  # another process found the same
    assert recall_difference(settings, "gold.sales", 1, 2) == found


def test_a_worker_that_has_ended_is_gone_and_one_that_works_is_not(settings: Settings) -> None:
    sign_in(settings, "mine")
    assert not worker_is_gone(settings, "mine")
    assert not worker_is_gone(settings, "nobody's")
    signing = (
        "from asgard_pipelines.settings import Settings; from asgard_pipelines.state import sign_in;"
        "sign_in(Settings.read(), 'theirs')"
    )
    subprocess.run([sys.executable, "-c", signing], check=True, timeout=60)
    assert worker_is_gone(settings, "theirs")


@pytest.mark.parametrize("address", ["nonsense", "oracle+nothing://secret:word@host/db"])
def test_an_address_that_is_none_is_refused_without_being_told(
    address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_STATE_URL", address)
    with pytest.raises(InvalidSettings) as refused:
        room.database(Settings.read())
    assert "ASGARD_STATE_URL" in refused.value.message
    assert "secret" not in refused.value.message


def test_many_threads_open_a_new_database_at_once(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {one.result() for one in [pool.submit(made_revision, settings) for _ in range(8)]} == {"0.0"}


def test_a_database_that_does_not_answer_is_told_as_that(settings: Settings) -> None:
    assert made(settings) == []
    with room.database(settings).begin() as connection:
        connection.exec_driver_sql("DROP TABLE made_declarations")
    with pytest.raises(BackendUnavailable, match="does not answer"):
        made(settings)
