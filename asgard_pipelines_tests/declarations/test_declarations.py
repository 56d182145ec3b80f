"""The schemas: what they accept, what they refuse, what counts as a change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from asgard_pipelines.declarations import (
    Declarations,
    GoldTable,
    Model,
    OnDemandView,
    Watermark,
    Where,
    fingerprint,
    next_instant,
    partition_instant,
    partition_key,
    partition_keys,
)
from asgard_pipelines.errors import FeatureViewNotFound, Invalid, ModelNotFound
from asgard_pipelines.settings import Settings

HERE = {"name": "t", "where": Where(file="f.yaml")}
DATA = {"entity_df_source": "t", "label_column": "y", "event_timestamp_column": "at"}


def test_partitions_end_where_the_data_ends() -> None:
    assert partition_keys("monthly", "1997-11", datetime(1998, 2, 1, tzinfo=UTC)) == [
        "1997-11",
        "1997-12",
        "1998-01",
        "1998-02",
    ]
    assert partition_keys("monthly", "1997-11", datetime(1998, 1, 31, 23, tzinfo=UTC))[-1] == "1998-01"
    assert partition_keys("daily", "1997-02-28", datetime(1997, 2, 27, tzinfo=UTC)) == []


@given(st.sampled_from(["daily", "monthly"]), st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_each_instant_falls_into_one_partition_whose_key_says_where_it_starts(cadence, naive) -> None:
    instant = naive.replace(tzinfo=UTC)
    start = partition_instant(cadence, partition_key(cadence, instant))
    assert start <= instant < next_instant(cadence, start)


@pytest.mark.parametrize(
    ("landed_by", "expected"),
    [
        ("month", datetime(1998, 1, 1, tzinfo=UTC)),
        ("day", datetime(1998, 1, 1, tzinfo=UTC)),
        ("instant", datetime(1997, 12, 31, 5, tzinfo=UTC)),
    ],
)
def test_the_watermark_is_the_end_of_the_piece_that_the_newest_row_belongs_to(landed_by, expected) -> None:
    assert (
        Watermark(column="at", landed_by=landed_by).after(datetime(1997, 12, 31, 5, tzinfo=UTC)) == expected
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs a SELECT"),
        ({"external": True, "sql": "SELECT 1"}, "has no SELECT"),
        ({"sql": "SELECT 1", "watermark": {"column": "at"}}, "belongs to external tables"),
        ({"sql": "SELECT 1", "partition": "daily", "timestamp": "at"}, "needs `start`"),
        ({"sql": "SELECT 1", "partition": "daily", "start": "1997-02-01"}, "needs `timestamp`"),
        ({"sql": "SELECT 1", "partition": "daily", "start": "1997-02", "timestamp": "at"}, "as 1997-03-01"),
        (
            {"external": True, "partition": "daily", "start": "1997-02-01", "timestamp": "at"},
            "needs `watermark`",
        ),
    ],
)
def test_a_gold_table_that_cannot_be_kept_up_is_refused(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        GoldTable.model_validate({**HERE, **fields})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90d", timedelta(days=90)),
        ("6 hours", timedelta(hours=6)),
        ("P1D", timedelta(days=1)),
        (60.0, timedelta(0, 60)),
    ],
)
def test_durations_are_read_as_people_write_them_and_kept_through_json(written, meant) -> None:
    table = GoldTable.model_validate({**HERE, "sql": "SELECT 1", "lookahead": written})
    assert table.lookahead == meant
    assert GoldTable.model_validate_json(table.model_dump_json()) == table


def test_a_duration_without_a_unit_is_refused() -> None:
    with pytest.raises(ValidationError, match="90 has no unit: write 90d for days or 90s for seconds"):
        GoldTable.model_validate({**HERE, "sql": "SELECT 1", "lookahead": 90})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give `framework`"),
        ({"framework": "sklearn", "candidates": [{"name": "a", "framework": "sklearn"}]}, "give either"),
        ({"candidates": [{"name": "a", "framework": "sklearn"}] * 2}, "two candidates have one name"),
        ({"framework": "sklearn", "feature_service": "s", "feature_views": ["v"]}, "give either"),
        ({"framework": "torch"}, "'sklearn', 'xgboost' or 'lightgbm'"),
        ({"framework": "sklearn", "test_size": 1.0}, "less than 1"),
    ],
)
def test_a_model_says_one_thing_once(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        Model.model_validate({**HERE, "model_type": "regression", "training_data": DATA, **fields})


def test_the_single_candidate_is_called_as_its_framework() -> None:
    model = Model.model_validate(
        {**HERE, "model_type": "regression", "framework": "xgboost", "training_data": DATA}
    )
    assert [c.name for c in model.all_candidates] == ["xgboost"]


def test_moving_a_declaration_does_not_change_its_fingerprint_and_changing_it_does() -> None:
    table = GoldTable.model_validate({**HERE, "sql": "SELECT 1"})
    moved = table.model_copy(update={"where": Where(file="other.sql", line=9)})
    assert fingerprint(moved) == fingerprint(table)
    assert fingerprint(table.model_copy(update={"sql": "SELECT 2"})) != fingerprint(table)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    declared = Declarations(project="p")
    with pytest.raises(FeatureViewNotFound, match="'orders' not found"):
        declared.view("orders")
    with pytest.raises(ModelNotFound, match="'churn' is not declared"):
        declared.model("churn")


def test_a_view_that_is_computed_on_demand_is_told_from_one_that_is_not_there() -> None:
    made = {**HERE, "name": "rates", "features": [], "sources": ["orders", "visits"], "fingerprint": "f"}
    declared = Declarations(project="p", on_demand_views=[OnDemandView.model_validate(made)])
    with pytest.raises(Invalid, match="'rates' is computed on demand, from orders, visits: it has no table"):
        declared.view("rates")


def test_inside_a_repo_the_repo_is_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASGARD_REPO", "FEAST_REPO_PATH", "ASGARD_HOME"):
        monkeypatch.delenv(name, raising=False)
    repo = tmp_path / "feature_repo"
    repo.mkdir()
    (repo / "feature_store.yaml").touch()
    monkeypatch.chdir(tmp_path)
    above = Settings.read()
    monkeypatch.chdir(repo)
    assert Settings.read().repo == above.repo == repo
    assert Settings.read().state_folder == above.state_folder == tmp_path / ".asgard"
