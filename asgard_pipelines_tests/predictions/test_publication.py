"""A prediction table is scored as a stream, and lands once, whole, whoever races or dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from asgard_pipelines.declarations import FeatureRef, Prediction
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.features import historical_features
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.models import ModelRegistry, ModelVersion, Registration
from asgard_pipelines.predictions import Published, last_published, publish
from asgard_pipelines.settings import Settings
from asgard_pipelines.training import load_predictor
from asgard_pipelines_tests.training.world import (
    DECLARATIONS,
    FEATURES,
    HERE,
    START,
    accounts,
    candidate,
    fitted,
    utc,
)

MANY = 150_000
"""Rows that come in several batches."""
LABELS = {"churned": ("xgboost", "XGBoost"), "tier": ("lightgbm", "LightGBM"), "value": ("sklearn", "Linear")}
FITTED = {label: fitted(candidate(*chosen), label) for label, chosen in LABELS.items()}


def prediction(label: str = "churned", **declared: object) -> Prediction:
    return Prediction.model_validate(
        {
            "name": "scores",
            "where": HERE,
            "model_id": f"model_{label}",
            "input_table": "gold.asked",
            "entity_columns": ["account_id"],
            "feature_views": ["account_features"],
            "event_timestamp_column": "asked_at",
            "output_table": "scores",
            **declared,
        }
    )


def asked(count: int, month: int = 4) -> pa.Table:
    """Accounts, some unknown, at the beginning of months and hours after it."""
    random = np.random.default_rng(count + month)
    at = START + timedelta(days=30 * month)
    hours = random.integers(0, 48, count)
    return pa.table(
        {
            "account_id": pa.array(random.integers(0, 70, count)),
            "asked_at": pa.array([at + timedelta(hours=int(h)) for h in hours], pa.timestamp("us")),
            "unused": pa.nulls(count, pa.string()),
        }
    )


class House:
    """One lakehouse with accounts and rows to score."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lakehouse = Lakehouse(settings)
        self.lakehouse.append("gold.accounts", accounts(), key="accounts")

    def ask(self, rows: pa.Table) -> None:
        self.lakehouse.append("gold.asked", rows, key=f"asked {rows['asked_at'][0]} {len(rows)}")

    def version(self, label: str = "churned", key: str = "1") -> ModelVersion:
        registration = Registration(
            model=f"model_{label}",
            key=key,
            candidate="c",
            framework=LABELS[label][0],  # type: ignore[arg-type]
            model_type="regression" if label == "value" else "classification",
            files=FITTED[label].files(),
            inputs={one.name: one.kind for one in FITTED[label].signature.inputs},
            training_table="training_sets.none",
            training_snapshot_id=1,
            sources={},
            roots={},
            content_hash="",
        )
        return ModelRegistry(self.settings).register(registration)

    def pins(self) -> dict[str, Pin]:
        return {name: self.lakehouse.pin(name) for name in ("gold.accounts", "gold.asked")}

    def publish(
        self, version: ModelVersion, declared: Prediction, progress: Callable[[int, int], None] | None = None
    ) -> tuple[Published, Pin]:
        return publish(
            self.settings, self.lakehouse, DECLARATIONS, declared, version, self.pins(), progress=progress
        )

    def files(self) -> list[Path]:
        """Data files in the table's folder, whether a snapshot names them or not."""
        return sorted((self.settings.state_folder / "warehouse" / "gold" / "scores").rglob("*.parquet"))

    def scores(self) -> pa.Table:
        return self.lakehouse.read_table(self.lakehouse.pin("gold.scores"))


@pytest.fixture
def house(tracked: Settings) -> House:
    return House(tracked)


@pytest.mark.parametrize("label", LABELS)
def test_what_is_streamed_is_what_a_table_at_once_would_be_in_its_order(house: House, label: str) -> None:
    house.ask(asked(MANY))
    version = house.version(label)
    progress: list[tuple[int, int]] = []
    published, pin = house.publish(version, prediction(label), lambda *now: progress.append(now))

    rows = house.lakehouse.read_table(house.pins()["gold.asked"], ["account_id", "asked_at"])
    refs = [FeatureRef(view="account_features", feature=name, dtype=kind) for name, kind in FEATURES.items()]
    joined = historical_features(
        house.settings, house.lakehouse, DECLARATIONS, rows, "asked_at", refs, house.pins()
    )
    expected = load_predictor(house.settings, version).predict(joined.table)
    held = house.lakehouse.read_table(pin)
    assert held.select(["account_id", "asked_at"]).equals(rows)
    for name, values in vars(expected).items():
        column = {"label": "predicted_label"}.get(name, name)
        if values is None:
            assert column not in held.column_names
        else:
            assert held[column].combine_chunks().equals(values)
    for name in ("model_id", "model_version", "prediction_id", "predicted_at"):
        value = getattr(published, name)
        assert set(held[name].to_pylist()) == {
            value if isinstance(value, str) else value.replace(tzinfo=None)
        }

    assert published.rows == MANY
    assert published.feature_coverage == joined.coverage
    assert 0 < joined.coverage["account_features"] < 1
    assert progress[0] == (0, MANY)
    assert progress[-1] == (MANY, MANY)
    assert len(progress) > 2
    assert all(before < after for (before, _), (after, _) in pairwise(progress))


def test_a_second_call_does_nothing(house: House) -> None:
    house.ask(asked(1000))
    first = house.publish(house.version(), prediction())
    again = house.publish(house.version(), prediction(), pytest.fail)
    assert again == first
    assert last_published(house.lakehouse, prediction()) == first[0]


def test_a_race_that_is_lost_is_run_again_with_the_files_that_stand(house: House) -> None:
    """Somebody else writes the table while ours is scored: nothing is scored or written twice."""
    house.ask(asked(MANY))
    house.publish(house.version(), prediction())
    rival, beaten = Lakehouse(house.settings), []

    def progress(done: int, total: int) -> None:
        if done == total:
            rows = house.scores().slice(0, 10)
            beaten.append(rival.append("gold.scores", rows, key=f"rival {len(beaten)}"))

    before = set(house.files())
    _, pin = house.publish(house.version(key="2"), prediction(), progress)
    assert len(beaten) == 1
    assert len(set(house.files()) - before) == 2  # the rival's and ours
    assert house.lakehouse.pin("gold.scores") == pin
    assert house.scores()["account_id"].equals(
        house.lakehouse.read_table(house.pins()["gold.asked"])["account_id"]
    )


def test_two_that_score_the_same_at_the_same_time_land_it_once(house: House) -> None:
    house.ask(asked(MANY))
    version, both = house.version(), threading.Barrier(2)
    results: list[tuple[Published, Pin]] = []

    def progress(done: int, total: int) -> None:
        if done == total:
            both.wait(60)

    def work() -> None:
        other = House.__new__(House)
        other.settings, other.lakehouse = house.settings, Lakehouse(house.settings)
        results.append(other.publish(version, prediction(), progress))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == 2
    assert results[0] == results[1]
    assert house.scores().num_rows == MANY
    assert last_published(house.lakehouse, prediction()) == results[0][0]


def test_a_death_between_the_files_and_the_commit_leaves_the_rerun_to_land_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.ask(asked(MANY))
    house.publish(house.version(), prediction())
    standing, before = house.lakehouse.pin("gold.scores"), len(house.files())
    second = house.version(key="2")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(house.lakehouse.catalog.iceberg, "commit_table", die)
        with pytest.raises(KeyboardInterrupt):
            house.publish(second, prediction())
    assert house.lakehouse.pin("gold.scores") == standing
    assert len(house.files()) == before + 1  # which nothing names
    _, pin = house.publish(second, prediction())
    assert house.publish(second, prediction())[1] == pin
    assert house.scores().num_rows == MANY
    assert set(house.scores()["model_version"].to_pylist()) == {second.version}


def test_a_stream_that_fails_half_way_leaves_no_file_no_commit_and_no_thread(house: House) -> None:
    house.ask(asked(MANY))

    def fail(done: int, total: int) -> None:
        if done:
            raise Invalid("half way")

    with pytest.raises(Invalid, match="half way"):
        house.publish(house.version(), prediction(), fail)
    assert not house.lakehouse.exists("gold.scores")
    assert house.files() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_rows_without_any_feature_and_tables_of_other_columns_are_refused_before_anything_is_scored(
    house: House,
) -> None:
    def unscored(done: int, total: int) -> None:
        assert done == 0

    house.ask(asked(1000, month=100))
    with pytest.raises(Invalid, match="within its view's TTL"):
        house.publish(house.version(), prediction(), unscored)
    house.ask(asked(1000))
    house.lakehouse.append("gold.scores", pa.table({"account_id": [1]}), key="another's")
    with pytest.raises(Conflict, match="other columns"):
        house.publish(house.version(), prediction(), unscored)
    assert house.scores().num_rows == 1


def test_newest_scores_the_newest_time_and_then_every_later_one(house: House) -> None:
    def ask(*months: int) -> None:
        for month in months:
            at = pa.array([times[month]] * 60 + [None], pa.timestamp("us"))
            house.ask(pa.table({"account_id": [*range(60), 7], "asked_at": at}))

    times = [START + timedelta(days=30 * month) for month in range(10)]
    aware = [utc(*time.timetuple()[:3]) for time in times]
    newest = prediction(rows="newest")
    ask(2, 4, 3)
    assert house.publish(house.version(), newest)[0].instants == [aware[4]]
    assert house.publish(house.version(key="2"), newest)[0].instants == [aware[4]]  # the same again
    ask(7, 1, 6)
    published, _ = house.publish(house.version(), newest)
    assert (published.instants, published.rows) == ([aware[6], aware[7]], 120)
    assert set(house.scores()["asked_at"].to_pylist()) == {times[4], times[6], times[7]}
    assert house.scores().num_rows == 180


def test_newest_of_an_input_without_any_time_is_refused(house: House) -> None:
    house.ask(pa.table({"account_id": [7], "asked_at": pa.nulls(1, pa.timestamp("us"))}))
    with pytest.raises(Invalid, match="no rows to predict"):
        house.publish(house.version(), prediction(rows="newest"))


def test_a_partitioned_prediction_table_stays_partitioned(house: House) -> None:
    """Who wants one makes it before: rows go into the days that hold them."""
    house.ask(asked(MANY))
    house.publish(house.version(), prediction(output_table="first"))
    made: Any = house.lakehouse.read_table(house.lakehouse.pin("gold.first")).slice(0, 0)
    house.lakehouse.append("gold.scores", made, key="made", partition_by="day(asked_at)")
    _, pin = house.publish(house.version(), prediction())
    assert house.lakehouse.catalog.load("gold.scores").inspect.files().num_rows == 2
    held = house.lakehouse.read_table(pin).drop_columns(["prediction_id", "predicted_at"])
    first = house.lakehouse.read_table(house.lakehouse.pin("gold.first"))
    order = [(name, "ascending") for name in ("account_id", "asked_at", "prediction")]
    assert held.sort_by(order).equals(first.select(held.column_names).sort_by(order))
