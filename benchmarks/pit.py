"""The point-in-time join: 30 features from three tables, for 100,000 and for a million asked rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa

from benchmarks.child import Work
from benchmarks.lakes import Lake, lake
from benchmarks.measure import Contender, Measured, in_turns
from benchmarks.oracle import expected, wrong_cells
from benchmarks.shapes import EASY, GROWN, HARDER, TINY, VIEWS, Shape

FEW, MANY = 100_000, 1_000_000
"""Asked rows, at scale 1."""


@dataclass(frozen=True)
class Experiment:
    shape: Shape
    asked: int
    runs: dict[str, int]
    """By contender. Fewer than five where one run takes minutes."""


@dataclass(frozen=True)
class Found:
    experiment: Experiment
    asked: int
    """Rows, at the scale that was measured."""
    measured: dict[str, Measured]


def experiments(runs: int = 5) -> Iterator[Experiment]:
    """`runs`: of ours and of the floor, in all but the easy case, which has five."""
    floors = {"floor": 5, "floor, streamed": 5}
    yield Experiment(EASY, FEW, {"ours": 5, "duckdb+iceberg": 5, "duckdb+parquet": 3, "file": 1, **floors})
    yield Experiment(EASY, MANY, {"ours": 5, "duckdb+iceberg": 1, "duckdb+parquet": 1, **floors})
    for shape in HARDER:  # the floor is the same however many rows are asked
        yield Experiment(shape, FEW, {"ours": runs, "duckdb+iceberg": 3, "floor": runs})
        yield Experiment(shape, MANY, {"ours": runs, "duckdb+iceberg": 1})
    for shape in GROWN[1:]:
        # More than this of stock Feast, and of the floor, would not fit into 16 GB.
        peer = {"duckdb+iceberg": 1, "floor": 3} if shape.growth == 3 else {}
        yield Experiment(shape, FEW, {"ours": runs, **peer, "floor, streamed": 3})
        yield Experiment(shape, MANY, {"ours": runs})


def measure(root: Path, scale: float, told: Callable[[str], None]) -> Iterator[Found]:
    """Generates what is not there, and measures; one experiment after the other."""
    for experiment in experiments(runs=5 if scale >= 1 else 3):
        tables = lake(root, experiment.shape, scale, told)
        asked = max(int(experiment.asked * scale), 100)
        named = f"{experiment.shape.name}, {asked:,} asked rows"
        told(f"{named}: working out what is right")
        expected(tables, asked)
        contenders = {
            name: Contender(partial(retrieval, name, tables, asked), runs)
            for name, runs in experiment.runs.items()
        }
        yield Found(experiment, asked, in_turns(contenders, partial(_tell, told, named)))


def _tell(told: Callable[[str], None], named: str, text: str) -> None:
    told(f"{named}: {text}")


def retrieval(name: str, tables: Lake, asked: int) -> Work:
    """Opens the contender's store and warms it up; its work is one `get_historical_features`."""
    from benchmarks.contenders import CONTENDERS  # imports Feast

    answer = CONTENDERS[name](tables)
    rows = pd.read_parquet(tables.frame(asked))
    answer([TINY], rows.head(100).copy())
    if "floor" in name:
        return Work(lambda: answer(list(VIEWS), rows))
    path = expected(tables, asked)
    return Work(lambda: answer(list(VIEWS), rows), lambda result: wrong_cells(cast(pa.Table, result), path))
