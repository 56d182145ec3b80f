"""`asgard features`: subscribers made up the same way each time, and landed once."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest

from asgard_pipelines.cli.command import run
from asgard_pipelines.cli.demo.repo import bundled_repo
from asgard_pipelines.cli.features.landings import land_generated
from asgard_pipelines.cli.features.synthetic import TABLES, synthetic_tables
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import Invalid
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project.gold_files import read_gold
from asgard_pipelines.settings import Settings

BEHAVIOR, DEMOGRAPHICS, CONTRACT = TABLES
NOVEMBER = "2026-11"


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    return Lakehouse(settings)


@pytest.fixture(scope="module")
def declared() -> Declarations:
    paths = [bundled_repo() / "gold" / f"{name}.yaml" for name in TABLES]
    return Declarations(project="demo", gold=[read_gold(path, path.name, "gold") for path in paths])


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    first = synthetic_tables(20, 6, 3, NOVEMBER)
    assert synthetic_tables(20, 6, 3, NOVEMBER) == first
    assert synthetic_tables(20, 6, 4, NOVEMBER) != first


def test_more_subscribers_and_a_later_month_change_no_row_that_was_there() -> None:
    few = synthetic_tables(20, 6, 3, NOVEMBER)
    later = synthetic_tables(50, 7, 3, "2026-12")
    for name in TABLES:
        known = pc.is_in(later[name]["customer_id"], few[name]["customer_id"].unique())
        then = pc.less(later[name]["event_timestamp"], pa.scalar(datetime(2026, 12, 1), pa.timestamp("us")))
        same = later[name].filter(pc.and_(known, then))
        if name != BEHAVIOR:
            assert same == few[name]
            continue
        assert same.drop(["churn"]) == few[name].drop(["churn"])
        assert same["churn"].null_count == 0  # what the last month did not know yet
        assert few[name]["churn"].null_count == 21


def test_every_subscriber_has_a_row_a_month_and_says_how_things_stood_in_the_first_one() -> None:
    made = synthetic_tables(40, 4, 0, NOVEMBER)
    ids = ["test_customer", *(f"CUST_{place:06d}" for place in range(1, 41))]
    assert made[BEHAVIOR]["customer_id"].to_pylist() == ids * 4
    times = made[BEHAVIOR]["event_timestamp"].unique().to_pylist()
    assert times == [datetime(2026, month, 1) for month in (8, 9, 10, 11)]
    for name in (DEMOGRAPHICS, CONTRACT):
        first = made[name].filter(pc.equal(made[name]["event_timestamp"], times[0]))
        assert first["customer_id"].to_pylist() == ids
        assert made[name].num_rows > len(ids)


def test_the_figures_of_a_subscriber_hang_together() -> None:
    rows = synthetic_tables(200, 24, 1, NOVEMBER)
    one: dict[str, list[dict[str, Any]]] = {}
    for row in rows[BEHAVIOR].to_pylist():
        one.setdefault(row["customer_id"], []).append(row)
    for story in one.values():
        for before, after in pairwise(story):
            assert after["customer_tenure_months"] == before["customer_tenure_months"] + 1
            charged = after["customer_total_charges"] - before["customer_total_charges"]
            assert charged == pytest.approx(before["customer_monthly_charges"], abs=0.01)
            assert 0 <= after["customer_support_tickets"] <= 9
    ages = pc.min_max(rows[DEMOGRAPHICS]["customer_age"]).as_py()
    assert 18 <= ages["min"] < ages["max"] <= 90
    assert len(set(rows[DEMOGRAPHICS]["customer_gender"].to_pylist())) == 3
    assert set(rows[CONTRACT]["contract_type"].to_pylist()) == {"month-to-month", "one-year", "two-year"}
    assert 0.02 < pc.mean(rows[BEHAVIOR]["churn"].cast(pa.int8())).as_py() < 0.2


@pytest.mark.parametrize(("until", "told"), [("November", "is no month"), ("2021-05", "begin with 2024-01")])
def test_a_month_that_is_none_is_refused(until: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        synthetic_tables(1, 1, 0, until)


def test_files_are_written_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "b"
    assert (
        run(["features", "generate", "--customers", "3", "--months", "2", "--out", str(out), "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert [Path(one["file"]).name for one in told["files"]] == [f"{name}.parquet" for name in TABLES]
    assert [one["rows"] for one in told["files"]] == [
        parquet.read_metadata(one["file"]).num_rows for one in told["files"]
    ]
    assert told["files"][0]["rows"] == 8


def test_the_same_rows_land_once_and_others_take_their_place(
    lakehouse: Lakehouse, declared: Declarations
) -> None:
    old, new = (synthetic_tables(5, 2, seed, NOVEMBER)[CONTRACT] for seed in (0, 1))
    outcomes = []
    for rows in (old, old.combine_chunks(), new, old):
        landed = land_generated(lakehouse, declared, CONTRACT, rows)
        stored = lakehouse.read_table(lakehouse.pin(landed.table))
        assert sorted(map(str, stored.to_pylist())) == sorted(map(str, rows.to_pylist()))
        outcomes.append(landed.outcome)
    assert outcomes == ["landed", "unchanged", "landed", "landed"]


def test_what_others_have_landed_stays(lakehouse: Lakehouse, declared: Declarations) -> None:
    rows = synthetic_tables(5, 2, 0, NOVEMBER)[CONTRACT]
    land_generated(lakehouse, declared, CONTRACT, rows)
    lakehouse.append("gold.customer_contract", rows.slice(0, 1), key="theirs")
    landed = land_generated(lakehouse, declared, CONTRACT, synthetic_tables(9, 2, 0, NOVEMBER)[CONTRACT])
    assert (landed.outcome, landed.rows) == ("kept", rows.num_rows + 1)


def test_without_files_and_tables_the_command_that_makes_them_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from asgard_pipelines_tests.client.world import make_project

    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("ASGARD_REPO", "ASGARD_HOME", "FEAST_REPO_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert run(["features", "setup", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert "asgard features generate" in error["message"]
