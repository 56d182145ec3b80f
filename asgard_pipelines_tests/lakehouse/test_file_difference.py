"""Which rows came and went between two snapshots, and what is read to find out."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from random import Random

import pyarrow as pa
import pytest

from asgard_pipelines.lakehouse import Lakehouse, Pin, Source, Tally
from asgard_pipelines_tests.contracts.deletes import delete_by_position

Row = tuple[int | None, int | None, str | None]
START = datetime(2026, 1, 1)
NAMES = count()


def _table(rows: list[Row]) -> pa.Table:
    times = [None if day is None else START + timedelta(days=day) for _, day, _ in rows]
    return pa.table(
        {
            "id": pa.array([one for one, _, _ in rows], pa.int64()),
            "at": pa.array(times, pa.timestamp("us")),
            "city": pa.array([city for _, _, city in rows], pa.string()),
        }
    )


def _landed(lakehouse: Lakehouse, before: list[Row], after: list[Row]) -> tuple[Pin, Pin]:
    """All rows are replaced."""
    name = f"gold.t{next(NAMES)}"
    first = lakehouse.append(name, _table(before), key="1").pin
    return first, lakehouse.overwrite(name, _table(after), key="2").pin


def _rows(source: Source | None) -> Counter[Row]:
    """As they were given to `_table`."""
    found: Counter[Row] = Counter()
    for file in source.files([]) if source is not None else []:
        for part in file.parts([]):
            for piece in file.pieces(["id", "at", "city"], part):
                rows = zip(*(column.to_pylist() for column in piece.rows.columns), strict=True)
                found.update((one, None if at is None else (at - START).days, city) for one, at, city in rows)
    return found


@pytest.mark.parametrize("seed", range(30))
def test_rows_that_stand_on_both_sides_cancel_as_often_as_they_do(shared: Lakehouse, seed: int) -> None:
    random = Random(seed)
    apart = random.choice([0, 0, 2, 9])

    def rows(later: int) -> list[Row]:
        return [
            (
                random.choice([None, 1, 2, 3]) if seed % 3 else 7,
                random.choice([None, later, later + 1]) if seed % 2 else later + random.randrange(2),
                random.choice([None, "a"]),
            )
            for _ in range(random.randint(1, 6))
        ]

    before, after = rows(0), rows(apart)
    removed, added = shared.difference(*_landed(shared, before, after)).removed_and_added(Tally(), 2)
    assert _rows(removed) == Counter(before) - Counter(after)
    assert _rows(added) == Counter(after) - Counter(before)


def test_nothing_is_compared_where_the_times_lie_apart(lakehouse: Lakehouse) -> None:
    tally = Tally()
    pins = _landed(lakehouse, [(1, 0, "a"), (2, 1, "b")], [(1, 5, "a"), (2, None, "b")])
    removed, added = lakehouse.difference(*pins).removed_and_added(tally, 2)
    assert (tally.files, tally.bytes) == (set(), 0)
    assert (_rows(removed).total(), _rows(added).total()) == (2, 2)
    pins, tally = _landed(lakehouse, [(1, 0, "a")], [(1, 0, "b")]), Tally()
    lakehouse.difference(*pins).removed_and_added(tally, 2)
    assert len(tally.files) == 2


def test_manifests_that_both_have_give_the_same_files_with_and_without_deletes(lakehouse: Lakehouse) -> None:
    name = f"gold.t{next(NAMES)}"
    first = [lakehouse.append(name, _table([(n, n, "a")] * 3), key=str(n)).pin for n in range(4)][1]
    second = lakehouse.pin(name)
    for before, after, came in ((first, second, 6), (second, first, 0), (second, second, 0)):
        difference = lakehouse.difference(before, after)
        removed, added = difference.removed_and_added(Tally(), 2)
        assert _rows(added).total() == came
        assert _rows(removed).total() == (6 if (before, after) == (second, first) else 0)
        assert _rows(difference.source(Tally())).total() == (6 if after == first else 12)
    delete_by_position(lakehouse.catalog.load(name), "id", {0, 3}, Random(1))
    difference = lakehouse.difference(second, lakehouse.pin(name))
    removed, added = difference.removed_and_added(Tally(), 2)
    assert (_rows(removed), added) == (Counter({(0, 0, "a"): 3, (3, 3, "a"): 3}), None)
    assert _rows(difference.source(Tally())).total() == 6
