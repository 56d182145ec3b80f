"""The ledger of materializations: what it tells of runs, and how the watermark moves."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import (
    Figures,
    Materialization,
    abandon_store,
    begin_materialization,
    fail_materialization,
    finish_materialization,
    held_in,
    last_materialized,
    materializations,
    snapshots_needed,
    unsettled,
    watermark,
)

STORE = "sqlite:///online.db#1"


def run(name: str, to: int, **changes: Any) -> Materialization:
    given: dict[str, Any] = {
        "run_id": name,
        "view": "orders",
        "store": STORE,
        "fingerprint": "f",
        "table_name": "gold.orders",
        "read_as": {"table": "gold.orders"},
        "kind": "difference",
        "from_snapshot": None,
        "to_snapshot": to,
        "as_of": datetime(2026, 3, 1, tzinfo=UTC),
        "started": datetime.now(UTC),
    }
    return Materialization(**given | changes)


def done(settings: Settings, name: str, to: int, **changes: Any) -> Materialization:
    begun = run(name, to, **changes)
    begin_materialization(settings, begun)
    mark = watermark(settings, begun.view, STORE)
    return finish_materialization(settings, begun, Figures(written=3), moves_from=mark)


def test_a_run_is_there_while_it_runs_and_says_what_it_did_when_it_has_ended(settings: Settings) -> None:
    begin_materialization(settings, run("a", 1, asked_as="mat_1"))
    (known,) = materializations(settings, asked_as="mat_1")
    assert (known.status, known.seconds) == ("running", None)
    assert last_materialized(settings) == {}
    ended = finish_materialization(
        settings, known, Figures(rows_read=9, written=5, skipped=2, files_read=1, bytes_read=99)
    )
    assert (ended.status, ended.rows_read, ended.written, ended.skipped) == ("completed", 9, 5, 2)
    assert ended.seconds is not None
    assert ended.as_of == known.as_of
    assert last_materialized(settings) == {"orders": ended.finished}


def test_a_failed_run_tells_why_and_moves_nothing(settings: Settings) -> None:
    first = done(settings, "a", 1)
    begin_materialization(settings, run("b", 2))
    fail_materialization(settings, "b", "the store does not answer", Figures(written=1))
    failed = materializations(settings, view="orders")[0]
    assert (failed.status, failed.error, failed.written) == ("failed", "the store does not answer", 1)
    assert watermark(settings, "orders", STORE) == first
    assert last_materialized(settings) == {"orders": first.finished}


def test_the_watermark_moves_only_from_where_the_run_began(settings: Settings) -> None:
    first = done(settings, "a", 1)
    late, early = run("late", 2), run("early", 3)
    for one in (late, early):
        begin_materialization(settings, one)
    finish_materialization(settings, early, Figures(), moves_from=first)
    beaten = finish_materialization(settings, late, Figures(), moves_from=first)
    mark = watermark(settings, "orders", STORE)
    assert mark is not None
    assert mark.run_id == "early"
    assert beaten.remark is not None
    assert [one.run_id for one in unsettled(settings, "orders", STORE)] == ["late"]


def test_of_two_first_runs_one_becomes_the_watermark(settings: Settings) -> None:
    for name in ("a", "b"):
        begin_materialization(settings, run(name, 1))
    finish_materialization(settings, run("a", 1), Figures())
    finish_materialization(settings, run("b", 1), Figures())
    mark = watermark(settings, "orders", STORE)
    assert mark is not None
    assert mark.run_id == "a"


def test_a_window_leaves_the_watermark_and_is_unsettled_until_a_run_has_looked(settings: Settings) -> None:
    first = done(settings, "a", 1)
    done(settings, "w", 2, kind="window")
    assert watermark(settings, "orders", STORE) == first
    assert snapshots_needed(settings, "orders", "gold.orders") == {1, 2}
    after = run("b", 3)
    begin_materialization(settings, after)
    finish_materialization(settings, after, Figures(), moves_from=first, settles=["w"])
    assert unsettled(settings, "orders", STORE) == []
    assert snapshots_needed(settings, "orders", "gold.orders") == {3}
    assert held_in(settings) == {("orders", STORE)}


def test_that_pushed_rows_landed_is_no_materialization(settings: Settings) -> None:
    done(settings, "pushed", 1, kind="push")
    assert last_materialized(settings) == {}


def test_a_run_whose_process_is_gone_was_interrupted(settings: Settings) -> None:
    program = (
        "from asgard_pipelines_tests.state.test_materializations import begin_materialization, run, Settings;"
        "begin_materialization(Settings.read(), run('dead', 1))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    (dead,) = materializations(settings, view="orders")
    assert dead.status == "interrupted"
    begin_materialization(settings, run("old", 1, started=datetime.now(UTC) - timedelta(days=3)))
    assert materializations(settings, view="orders")[0].status == "interrupted"


def test_a_store_that_lost_its_data_has_no_past(settings: Settings) -> None:
    done(settings, "a", 1)
    done(settings, "other view", 1, view="visits")
    abandon_store(settings, "orders", "sqlite:///online.db", "sqlite:///online.db#2")
    assert watermark(settings, "orders", STORE) is None
    assert unsettled(settings, "orders", STORE) == []
    assert snapshots_needed(settings, "orders", "gold.orders") == set()
    assert watermark(settings, "visits", STORE) is not None
