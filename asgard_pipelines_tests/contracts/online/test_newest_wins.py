"""The newest row stays, in whatever order rows arrive, and whoever wrote what stands there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import permutations
from multiprocessing import get_context
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.errors import ColumnNotFound, Conflict, TypeMismatch
from asgard_pipelines.features.online import OnlineStore, Written, online_store
from asgard_pipelines.features.online.encoded_rows import encoded, encoded_records
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.test_reads import VALUES
from asgard_pipelines_tests.contracts.online.views import (
    MICRO,
    NOON,
    SECOND,
    pages,
    read,
    rows,
    view,
    visit,
)

VISITS = view()
SEEN = view(created=True)


@pytest.mark.parametrize("step", [SECOND, MICRO])
def test_an_older_row_does_not_land(settings: Settings, store: OnlineStore, step: object) -> None:
    assert store.write(VISITS, visit(VISITS, 1, NOON)) == Written(1, 0)
    assert store.write(VISITS, visit(VISITS, 2, NOON - step)) == Written(0, 1)  # type: ignore[operator]
    assert pages(settings, store, VISITS) == 1
    assert store.write(VISITS, visit(VISITS, 3, NOON + step)) == Written(1, 0)  # type: ignore[operator]
    assert pages(settings, store, VISITS) == 3


@pytest.mark.parametrize("of", [VISITS, SEEN])
def test_of_many_rows_in_one_write_only_the_newer_ones_land(
    settings: Settings, store: OnlineStore, of: FeatureView
) -> None:
    keys = list(range(200))
    first = {"pages": [1] * 200, "city": [f"{'x' * (key % 9)}" for key in keys]}
    seen = {"seen": NOON} if of.created_timestamp else {}
    store.write(of, rows(of, visitor_id=keys, at=NOON, **first, **seen))
    times = [NOON + (MICRO if key % 3 else -MICRO) for key in keys]
    newer = {"pages": keys, "city": [f"{key}" for key in keys]}
    assert store.write(of, rows(of, visitor_id=keys, at=times, **newer, **seen)) == Written(133, 67)
    expected = [(key, f"{key}") if key % 3 else (1, "x" * (key % 9)) for key in keys]
    assert read(settings, store, of, visitor_id=keys) == expected


def test_rows_that_are_logged_elsewhere_are_read_at_once_and_guarded(
    settings: Settings, store: OnlineStore
) -> None:
    def put(value: int, at: datetime) -> int:
        return store.put_logged(SEEN.name, encoded(SEEN, visit(SEEN, value, at, NOON)))

    assert (put(1, NOON), put(2, NOON - MICRO), put(3, NOON + MICRO)) == (1, 0, 1)
    assert pages(settings, store, SEEN) == 3
    assert store.write(SEEN, visit(SEEN, 4, NOON, NOON)) == Written(0, 1)
    store.settle()
    assert pages(settings, store, SEEN) == 3


@pytest.mark.parametrize("of", [VISITS, SEEN])
def test_a_restatement_at_the_same_instant_lands(settings: Settings, store: OnlineStore, of: object) -> None:
    for value in (1, 2):
        assert store.write(of, visit(of, value, NOON, NOON)) == Written(1, 0)  # type: ignore[arg-type]
    assert pages(settings, store, of) == 2  # type: ignore[arg-type]


def test_among_equal_event_times_the_created_time_decides_and_none_is_lowest(
    settings: Settings, store: OnlineStore
) -> None:
    late = NOON + SECOND
    assert store.write(SEEN, visit(SEEN, 1, NOON, None)) == Written(1, 0)
    assert store.write(SEEN, visit(SEEN, 2, NOON, late)) == Written(1, 0)
    assert store.write(SEEN, visit(SEEN, 3, NOON, late - MICRO)) == Written(0, 1)
    assert store.write(SEEN, visit(SEEN, 4, NOON, None)) == Written(0, 1)
    assert pages(settings, store, SEEN) == 2
    assert store.write(SEEN, visit(SEEN, 5, NOON + MICRO, None)) == Written(1, 0)
    assert pages(settings, store, SEEN) == 5


def test_a_view_without_created_times_compares_event_times_alone(
    settings: Settings, store: OnlineStore
) -> None:
    store.write(SEEN, visit(SEEN, 1, NOON, NOON))
    assert store.write(VISITS, visit(VISITS, 2, NOON)) == Written(1, 0)
    assert store.write(VISITS, visit(VISITS, 3, NOON - MICRO)) == Written(0, 1)
    assert pages(settings, store, VISITS) == 2


def test_times_before_1970_and_far_away_are_ordered_like_any(settings: Settings, store: OnlineStore) -> None:
    times = [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(1970, 1, 1)]
    times += [datetime(2038, 1, 19, 3, 14, 8), datetime(9999, 12, 31, 23, 59, 59, 999_999)]
    for key, order in enumerate(permutations(range(len(times)), 3)):
        for place in order:
            store.write(SEEN, visit(SEEN, place, times[place], times[-1 - place], key))
        assert store.times(SEEN, pa.table({"visitor_id": [key]})).to_pylist() == [
            {"event": times[max(order)], "created": times[-1 - max(order)]}
        ]


def test_times_are_those_that_were_written_in_the_order_that_was_asked(store: OnlineStore) -> None:
    assert store.times(SEEN, pa.table({"visitor_id": [1]})).to_pylist() == [{"event": None, "created": None}]
    store.write(SEEN, visit(SEEN, 1, NOON + MICRO, NOON - MICRO, key=1))
    store.write(SEEN, visit(SEEN, 1, NOON, None, key=2))
    found = store.times(SEEN, pa.table({"visitor_id": pa.array([2, 3, None, 1, 2], pa.int64())}))
    assert found.to_pylist() == [
        {"event": NOON, "created": None},
        {"event": None, "created": None},
        {"event": None, "created": None},
        {"event": NOON + MICRO, "created": NOON - MICRO},
        {"event": NOON, "created": None},
    ]


def test_a_row_takes_the_place_of_exactly_the_one_that_was_expected(
    settings: Settings, store: OnlineStore
) -> None:
    late, early = NOON, NOON - SECOND
    for key in range(1, 6):
        store.write(SEEN, visit(SEEN, 10, late, late, key))
    removed = rows(
        SEEN,
        visitor_id=[1, 2, 3, 4, 7],
        at=[late, late, late - MICRO, late, late],
        seen=[late, late, late, late - MICRO, late],
    )
    older = rows(SEEN, visitor_id=[1, 3, 4], pages=[1, 1, 1], city=["Ulm"] * 3, at=early, seen=early)
    assert store.replace(SEEN, removed, older) == Written(2, 3)
    # 1 is an older row now, 2 is gone; 3 and 4 were others, 5 was not named, 7 was never there.
    assert [pages(settings, store, SEEN, key) for key in (1, 2, 3, 4, 5, 7)] == [1, None, 10, 10, 10, None]
    assert store.times(SEEN, pa.table({"visitor_id": [1, 2]}))["event"].to_pylist() == [early, None]
    # What was put back is guarded by its own times.
    assert store.write(SEEN, visit(SEEN, 2, early + MICRO, None, 1)) == Written(1, 0)


def test_what_replaces_nothing_is_refused(store: OnlineStore) -> None:
    removed = rows(VISITS, visitor_id=[1], at=NOON)
    with pytest.raises(Conflict, match="1 rows of 'visits' are to replace nothing"):
        store.replace(VISITS, removed, visit(VISITS, 1, NOON, key=2))


def test_rows_without_a_key_or_a_time_are_skipped(settings: Settings, store: OnlineStore) -> None:
    given = rows(
        VISITS, visitor_id=[1, None, 3], pages=[1, 2, 3], city=["a", "b", "c"], at=[None, NOON, NOON]
    )
    assert store.write(VISITS, given) == Written(1, 2)
    assert [pages(settings, store, VISITS, key) for key in (1, 3)] == [None, 3]


def test_rows_of_another_shape_are_refused(store: OnlineStore) -> None:
    given = visit(VISITS, 1, NOON)
    with pytest.raises(ColumnNotFound, match="Column 'city' not found"):
        store.write(VISITS, given.drop_columns(["city"]))
    narrow = given.set_column(1, "pages", pa.array([1], pa.int32()))
    with pytest.raises(TypeMismatch, match="'pages' is declared int64, and is written as int32"):
        store.write(VISITS, narrow)
    odd = given.set_column(0, "visitor_id", pa.array([1.5]))
    with pytest.raises(TypeMismatch, match="'visitor_id' is double"):
        store.write(VISITS, odd)


def test_more_rows_than_are_sent_at_once(settings: Settings, store: OnlineStore, kind: object) -> None:
    many = 300 if "dynamodb" in store.address else 20_000
    keys = list(range(many))
    given = rows(VISITS, visitor_id=keys, pages=keys, city=["x"] * many, at=NOON)
    assert store.write(VISITS, given) == Written(many, 0)
    half = rows(
        VISITS, visitor_id=keys, pages=[0] * many, city=["x"] * many, at=[NOON - MICRO, NOON] * (many // 2)
    )
    assert store.write(VISITS, half) == Written(many // 2, many // 2)
    assert store.count(VISITS) == many
    assert [pages(settings, store, VISITS, key) for key in (0, 1, many - 2)] == [0, 0, many - 2]


@pytest.mark.parametrize("keys", [(), ("visitor_id",), ("shop_id", "visitor_id")])
def test_the_order_in_which_keys_are_written_has_each_once(store: OnlineStore, keys: tuple[str, ...]) -> None:
    of, many = view(keys=keys), 1000 if keys else 1
    columns = {"visitor_id": list(range(many)), "shop_id": [f"shop {key % 7}" for key in range(many)]}
    asked = rows(of, at=[NOON] * many, **{key: columns[key] for key in keys})
    order = store.order(of, asked)
    assert order is None or sorted(order.tolist()) == list(range(many))


def test_views_are_apart_and_a_dropped_one_is_gone(settings: Settings, store: OnlineStore) -> None:
    other = view("others")
    store.write(VISITS, visit(VISITS, 1, NOON))
    store.write(other, visit(other, 2, NOON - SECOND))
    assert (pages(settings, store, VISITS), pages(settings, store, other)) == (1, 2)
    store.drop(VISITS)
    assert (store.count(VISITS), store.count(other)) == (0, 1)
    assert (pages(settings, store, VISITS), pages(settings, store, other)) == (None, 2)
    assert store.write(VISITS, visit(VISITS, 3, NOON - SECOND)) == Written(1, 0)
    store.drop(VISITS)
    store.drop(VISITS)


@pytest.mark.parametrize("keys", [("visitor_id",), ("visitor_id", "shop_id"), ()])
def test_everything_of_a_view_can_be_gone_through_and_discarded_where_it_is_unchanged(
    settings: Settings, store: OnlineStore, keys: tuple[str, ...]
) -> None:
    seen, other = view("seen", keys=keys, created=True), view("other", keys=keys)
    count = 1200 if keys else 1
    named = {"visitor_id": list(range(count)), "shop_id": ["", "ü:é"] * (count // 2)}
    given = {"pages": [1] * count, "city": ["Bonn"] * count}
    for one in (seen, other):
        store.write(one, rows(one, at=NOON, seen=NOON - MICRO, **{key: named[key] for key in keys}, **given))
    assert not any(some for some, _ in store.everything("unknown"))
    found = list(store.everything("seen"))
    asked = {key: named[key] for key in keys}
    wanted = encoded(seen, rows(seen, at=NOON, seen=NOON, **asked, **given)).key_list()
    assert {key for some, _ in found for key in some} == set(store.named(wanted))
    epoch = datetime(1970, 1, 1)
    for _, times in found:
        assert {epoch + at * MICRO for at in times.event.tolist()} == {NOON}
        assert {epoch + at * MICRO for at in times.created.tolist()} == {NOON - MICRO}
    first, newer = {key: named[key][:1] for key in keys}, NOON + SECOND
    store.write(seen, rows(seen, at=newer, seen=newer, **first, pages=[2], city=["Ulm"]))
    done = sum((store.discard(seen, some, times) for some, times in found), Written(0, 0))
    assert done == Written(count - 1, 1)
    assert store.count(seen) == 1
    assert store.count(other) == count
    assert read(settings, store, seen, **first) == [(2, "Ulm")]


def test_a_project_whose_name_ends_like_another_s_keeps_its_rows(settings: Settings, project: str) -> None:
    one, other = online_store(settings, project), online_store(settings, f"big{project}")
    for store in (one, other):
        store.write(VISITS, visit(VISITS, 1, NOON))
    assert (one.count(VISITS), sum(len(keys) for keys, _ in one.everything("visits"))) == (1, 1)
    one.drop(VISITS)
    assert pages(settings, other, VISITS) == 1


def test_a_stores_identity_is_lost_with_its_rows(store: OnlineStore) -> None:
    other = view("others")
    assert store.identities(["visits", "others"]) == {}
    first = store.identity("visits")
    assert first.startswith(store.address + "#")
    assert store.identities(["visits", "others"]) == {"visits": first}
    assert store.identity("visits") == first != store.identity("others")
    store.write(VISITS, visit(VISITS, 1, NOON))
    assert store.count(VISITS) == 1
    store.drop(VISITS)
    assert store.identities(["visits"]) == {}
    assert store.identity("visits") != first
    store.drop(other)


def _write_all(url: str, home: str, project: str, seed: int) -> None:
    """Sixty rows of twelve keys, in an order of its own."""
    store = online_store(Settings(home=home, online_store=url), project)
    order = [(key, tick) for key in range(12) for tick in range(5)]
    Random(seed).shuffle(order)
    for key, tick in order:
        store.write(SEEN, visit(SEEN, tick, NOON + tick // 2 * MICRO, NOON + tick * MICRO, key))


def test_writers_in_any_order_end_in_the_newest(settings: Settings, store: OnlineStore, project: str) -> None:
    given = [(settings.online_store_url, str(settings.home), project, seed) for seed in range(8)]
    store.make("visits")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda one: _write_all(*one), given[:4]))
    with get_context("spawn").Pool(2) as processes:
        processes.starmap(_write_all, given[4:])
    assert [pages(settings, store, SEEN, key) for key in range(12)] == [4] * 12


def test_records_without_arrow_are_written_alike(settings: Settings, store: OnlineStore) -> None:
    features = {
        "n": "int64",
        "t": "string",
        "f": "float32",
        "b": "bool",
        "at_": "timestamp",
        "all": "array<int64>",
    }
    one = view("records", features, ("visitor_id", "shop_id"), created=True)
    columns: dict[str, list[Any]] = {
        "visitor_id": [1, -2],
        "shop_id": ["", "Łódź"],
        "n": [-1, None],
        "t": ["a", None],
        "f": [0.5, None],
        "b": [True, False],
        "at_": [NOON - MICRO, None],
        "all": [[1, 2], None],
    }
    expected = encoded(one, rows(one, **columns, at=NOON, seen=[NOON, None]))
    noon = int((NOON - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
    columns["at_"] = [noon - 1, None]
    given = encoded_records(
        one, {"visitor_id": "int64", "shop_id": "string"}, columns, [noon, noon], [noon, None]
    )
    assert given.as_lists() == expected.as_lists()
    assert given.times.event.tolist() == expected.times.event.tolist()
    assert given.times.created.tolist() == expected.times.created.tolist()
    assert store.put(one.name, given) == 2
    assert read(settings, store, one, visitor_id=[1], shop_id=[""])[0] == (
        -1,
        "a",
        0.5,
        True,
        NOON - MICRO,
        [1, 2],
    )


def test_many_records_without_arrow_are_encoded_alike() -> None:
    features = {
        "n": "int64",
        "m": "int64",
        "t": "string",
        "f": "float32",
        "at_": "timestamp",
        "all": "array<string>",
    }
    one = view("records", features, ("visitor_id", "shop_id"), created=True)
    columns: dict[str, list[Any]] = {
        "visitor_id": list(range(60)),
        "shop_id": [f"{key}" for key in range(60)],
        "n": [-1, None, 7] * 20,
        "m": [2**62, 0, None] * 20,
        "t": ["a", None, "Łódź"] * 20,
        "f": [0.5, None, -1.0] * 20,
        "at_": [NOON - MICRO, None, NOON] * 20,
        "all": [["b", ""], None, []] * 20,
    }
    expected = encoded(one, rows(one, **columns, at=NOON, seen=NOON))
    noon = int((NOON - datetime(1970, 1, 1)).total_seconds()) * 1_000_000
    columns["at_"] = [noon - 1, None, noon] * 20
    types = {"visitor_id": "int64", "shop_id": "string"}
    given = encoded_records(one, types, columns, [noon] * 60, [noon] * 60)
    assert given.as_lists() == expected.as_lists()
    assert list(given.values) == list(expected.values)


def test_many_rows_and_few_are_encoded_alike() -> None:
    features = dict(zip("abcdefg", VALUES, strict=True))
    one = view("many", features, ("visitor_id", "shop_id", "shelf"))
    many = 40
    columns = {name: [*VALUES[dtype], None] * (many // 5) for name, dtype in features.items()}
    keys = {"visitor_id": list(range(-20, 20)), "shop_id": [str(n) for n in range(40)], "shelf": [7, -7] * 20}
    given = rows(one, **keys, **columns, at=[NOON] * 39 + [None])
    together = encoded(one, given).as_lists()
    apart = [encoded(one, given.slice(start, 10)).as_lists() for start in range(0, many, 10)]
    assert together[0] == [key for keys, _ in apart for key in keys]
    assert together[1] == [
        [value for _, values in apart for value in values[place]] for place in range(len(features))
    ]
