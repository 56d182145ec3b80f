"""Batch scoring with the point-in-time join: a table of keys and times in, predictions in Iceberg out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.child import Work
from benchmarks.lakes import Lake, lake
from benchmarks.measure import Contender, Measured, in_turns
from benchmarks.scoring_world import TIME, USED, World, references, world
from benchmarks.shapes import EASY


@dataclass(frozen=True)
class Scored:
    rows: int
    measured: dict[str, Measured]


def measure(root: Path, scale: float, runs: int, told: Callable[[str], None]) -> Scored:
    """`ours` is all of it; `join` and `predict` are its parts alone; `pandas` is the naive way."""
    tables = lake(root, EASY, scale, told)
    told("scoring: training the model")
    made = world(tables)
    works = {"ours": (ours, 5), "join": (join, 5), "predict": (predict, 5), "pandas": (naive, 3)}
    contenders = {
        name: Contender(partial(work, tables), min(number, runs)) for name, (work, number) in works.items()
    }
    # Each in an interpreter of its own: Asgard scores without importing Feast.
    return Scored(made.rows, in_turns(contenders, lambda text: told(f"scoring: {text}"), method="spawn"))


def ours(tables: Lake) -> Work:
    from asgard_pipelines.predictions import publish

    made, output = World(tables), f"scores_{os.getpid()}"
    version = made.version()

    def published(rows: str, into: str) -> int:
        prediction = made.prediction(rows, into)
        record, _ = publish(
            made.settings, made.lakehouse, made.declarations, prediction, version, made.pins(rows)
        )
        scored: int = record.rows
        return scored

    published("few", f"{output}_few")

    def wrong(result: object) -> int:
        """Rows that are not there, or without a prediction."""
        found = made.lakehouse.read_table(made.lakehouse.pin(output), ["prediction"])["prediction"]
        for table in (output, f"{output}_few"):
            made.lakehouse.catalog.iceberg.purge_table(f"gold.{table}")
        missing: int = made.rows - len(found) + found.null_count
        return missing

    return Work(lambda: published("asked", output), wrong)


def join(tables: Lake) -> Work:
    made = World(tables)
    sum(batch.num_rows for batch in _joined(made, "few"))
    return Work(lambda: sum(batch.num_rows for batch in _joined(made, "asked")))


def _joined(made: World, rows: str) -> Iterator[pa.RecordBatch]:
    from asgard_pipelines.features import historical_features

    pins = made.pins(rows)
    asked = made.lakehouse.read_table(pins[f"gold.{rows}"], ["customer_id", TIME])
    joined = historical_features(
        made.settings, made.lakehouse, made.declarations, asked, TIME, references(), pins
    )
    yield from joined.batches()
    joined.close()


def predict(tables: Lake) -> Work:
    """From features that stand in memory; nothing is written."""
    from asgard_pipelines.training import load_predictor

    made = World(tables)
    predictor = load_predictor(made.settings, made.version())
    batches = [pa.Table.from_batches([batch]) for batch in _joined(made, "asked")]
    predictor.predict(batches[0].slice(0, 1000))
    return Work(lambda: sum(len(predictor.predict(batch).prediction) for batch in batches))


def naive(tables: Lake) -> Work:
    """As one would write it in a notebook: whole tables as frames, `merge_asof` per view, predict, append."""
    from asgard_pipelines.training import load_predictor

    made, output = World(tables), f"scores_{os.getpid()}"
    predictor = load_predictor(made.settings, made.version())
    catalog = tables.catalog()

    def scored() -> int:
        rows = catalog.load_table("gold.asked").scan().to_pandas().sort_values(TIME)
        rows[TIME] = rows[TIME].dt.tz_localize("UTC")
        for view in USED:
            known = catalog.load_table(f"gold.{view.name}").scan().to_pandas()
            known = known.sort_values([TIME, "created"]).drop(columns="created")
            rows = pd.merge_asof(rows, known, on=TIME, by="customer_id", tolerance=view.ttl)
        features = pa.Table.from_pandas(rows[list(predictor.inputs)], preserve_index=False)
        scores = predictor.predict(features).prediction
        written = rows[["customer_id", TIME]].assign(prediction=scores.to_numpy(zero_copy_only=False))
        table = pa.Table.from_pandas(written, preserve_index=False)
        catalog.create_table(f"gold.{output}", table.schema).append(table)
        return len(written)

    def wrong(result: object) -> int:
        catalog.purge_table(f"gold.{output}")
        return made.rows - int(str(result))

    return Work(scored, wrong)
