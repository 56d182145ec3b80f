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
from benchmarks.kept import Kept
from benchmarks.lakes import Lake, lake, leave_cache
from benchmarks.measure import Contender, Measured, in_turns
from benchmarks.oracle import expected, wrong_cells
from benchmarks.shapes import EASY, GROWN, HARDER, TINY, VIEWS, Shape

FEW, MANY = 100_000, 1_000_000
"""Asked rows, at scale 1."""
_NAMES = {"iceberg": "duckdb+iceberg", "parquet": "duckdb+parquet", "streamed": "floor, streamed"}


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


def experiments(runs: int) -> Iterator[Experiment]:
    """`runs`: of each contender at most; of stock Feast less, where one takes minutes."""

    def done(shape: Shape, asked: int, **wanted: int) -> Experiment:
        return Experiment(
            shape, asked, {_NAMES.get(name, name): min(number, runs) for name, number in wanted.items()}
        )

    yield done(EASY, FEW, ours=5, iceberg=5, parquet=3, file=1, floor=5, streamed=5)
    yield done(EASY, MANY, ours=5, iceberg=1, parquet=1, floor=5, streamed=5)
    for shape in HARDER:  # the floor is the same however many rows are asked
        yield done(shape, FEW, ours=5, iceberg=3, floor=5)
        yield done(shape, MANY, ours=5, iceberg=1)
    # More than this of stock Feast, and of the floor, would not fit into 16 GB.
    yield done(GROWN[1], FEW, ours=5, iceberg=1, floor=3, streamed=3)
    yield done(GROWN[1], MANY, ours=5)
    yield done(GROWN[2], FEW, ours=5, streamed=3)
    yield done(GROWN[2], MANY, ours=5)


def measure(root: Path, scale: float, runs: int, kept: Kept, told: Callable[[str], None]) -> Iterator[Found]:
    """Generates what is not there, and measures; one experiment after the other."""
    for experiment in experiments(runs):
        asked = max(int(experiment.asked * scale), 100)
        named = f"{experiment.shape.name}, {asked:,} asked rows"
        measured = kept.find(named)
        if measured is None:
            tables = lake(root, experiment.shape, scale, told)
            told(f"{named}: working out what is right")
            expected(tables, asked)
            leave_cache(root, tables)
            contenders = {
                name: Contender(partial(retrieval, name, tables, asked), number)
                for name, number in experiment.runs.items()
            }
            measured = in_turns(contenders, partial(_tell, told, named))
            kept.keep(named, measured)
        yield Found(experiment, asked, measured)


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
