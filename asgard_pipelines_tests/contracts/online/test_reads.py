"""What is read is what was written: values, their times and statuses, in the order that was asked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest

from asgard_pipelines.errors import ColumnNotFound, FeatureViewNotFound, Invalid, TypeMismatch
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.online import OnlineStore
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.views import (
    MICRO,
    NOON,
    SECOND,
    prepared,
    read,
    rows,
    view,
    visit,
)

VALUES: dict[str, list[Any]] = {
    "string": ["", "Bonn", "Łódź \0 '\"", "x" * 70_000],
    "int32": [0, -1, 2**31 - 1, -(2**31)],
    "int64": [0, -1, 2**63 - 1, -(2**63)],
    "float64": [0.0, -1.5, 1e308, math.inf],
    "float32": [0.0, -1.5, 2.0**100, -math.inf],
    "bool": [False, True, True, False],
    "timestamp": [
        datetime(1970, 1, 1),
        datetime(1969, 12, 31, 23, 59, 59, 999_999),
        NOON + MICRO,
        datetime(9999, 1, 1),
    ],
}
ARRAYS: dict[str, list[Any]] = {
    f"array<{dtype}>": [[], values[:3], [values[1]], values[2::-1] * 40] for dtype, values in VALUES.items()
}
EVERYTHING = {f"of_{dtype.replace('<', '_').strip('>')}": dtype for dtype in VALUES | ARRAYS}


@pytest.mark.parametrize("dtype", [*VALUES, *ARRAYS])
def test_every_type_comes_back_as_it_was(settings: Settings, store: OnlineStore, dtype: str) -> None:
    one = view(features={"value": dtype})
    values = [*(VALUES | ARRAYS)[dtype], None]
    keys = list(range(len(values)))
    store.write(one, rows(one, visitor_id=keys, value=values, at=NOON))
    assert [row[0] for row in read(settings, store, one, visitor_id=keys)] == values
    for key, value in zip(keys, values, strict=True):
        assert read(settings, store, one, visitor_id=[key]) == [(value,)]


@pytest.mark.parametrize("dtype", VALUES)
def test_nulls_in_arrays_come_back(settings: Settings, store: OnlineStore, dtype: str) -> None:
    one = view(features={"value": f"array<{dtype}>"})
    some = VALUES[dtype]
    values = [[None], [None, some[1], None, None, some[2]], some, [some[3], None]]
    store.write(one, rows(one, visitor_id=[0, 1, 2, 3], value=values, at=NOON))
    assert [row[0] for row in read(settings, store, one, visitor_id=[0, 1, 2, 3])] == values


def test_all_types_beside_each_other_with_nulls_anywhere(settings: Settings, store: OnlineStore) -> None:
    one = view(features=EVERYTHING)
    count = 40
    columns = {
        name: [
            None if (row + place) % 5 == 0 and row > 5 else (VALUES | ARRAYS)[dtype][(row + place) % 3]
            for row in range(count)
        ]
        for place, (name, dtype) in enumerate(EVERYTHING.items())
    }
    store.write(one, rows(one, visitor_id=list(range(count)), at=NOON, **columns))
    found = prepared(settings, store, one).read({"visitor_id": list(range(count))})
    for name, column in zip(found.names, found.columns, strict=True):
        assert column == columns[name], name
    whole = prepared(settings, store, one).read({"visitor_id": [0, 1, 2, 3]})
    assert [column[:4] for column in columns.values()] == whole.columns


def test_a_value_counts_from_its_time_to_its_ttl_as_in_the_offline_join(
    settings: Settings, store: OnlineStore
) -> None:
    ttl = timedelta(hours=6)
    one = view(ttl=ttl)
    at = NOON + MICRO
    store.write(one, visit(one, 7, at))
    asked = prepared(settings, store, one)
    for as_of, status, value in [
        (at - MICRO, "NOT_FOUND", None),
        (at, "FOUND", 7),
        (at + ttl, "FOUND", 7),
        (at + ttl + MICRO, "EXPIRED", None),
    ]:
        found = asked.read({"visitor_id": [1]}, as_of)
        assert (found.statuses[0], found.columns[0]) == ([status], [value])
    assert found.event_times() == [[at], [at]]
    forever = view(ttl=None)
    assert read(settings, store, forever, datetime(9999, 1, 1), visitor_id=[1]) == [(7, "Bonn")]


def test_rows_come_in_the_order_asked_twice_if_asked_twice(settings: Settings, store: OnlineStore) -> None:
    one = view()
    store.write(one, rows(one, visitor_id=[1, 2, 3], pages=[10, None, 30], city=["a", "b", None], at=NOON))
    found = prepared(settings, store, one).read({"visitor": [3, 9, 1, 3, 2]})  # by the entity's name
    assert found.columns == [[30, None, 10, 30, None], [None, None, "a", None, "b"]]
    assert found.statuses[0] == ["FOUND", "NOT_FOUND", "FOUND", "FOUND", "FOUND"]
    assert found.keys == {"visitor_id": [3, 9, 1, 3, 2]}
    assert prepared(settings, store, one).read({"visitor_id": []}).columns == [[], []]


def test_more_keys_than_a_store_gives_at_once(settings: Settings, store: OnlineStore) -> None:
    one = view()
    keys = list(range(257))
    store.write(one, rows(one, visitor_id=keys, pages=keys, city=["x"] * 257, at=NOON))
    asked = [*keys[::-1], 1000, *keys]
    assert prepared(settings, store, one).read({"visitor_id": asked}).columns[0] == [*keys[::-1], None, *keys]


def test_several_views_of_several_keys_in_one_read(settings: Settings, store: OnlineStore) -> None:
    single, same = view("single"), view("same", {"stars": "float64"}, ttl=SECOND)
    both = view("both", {"price": "float64"}, ("visitor_id", "shop_id", "shelf"))
    keyless = view("keyless", {"rate": "float64"}, ())
    never = view("never", {"gone": "string"})
    store.write(single, rows(single, visitor_id=[1, 2], pages=[10, 20], city=["a", "b"], at=NOON))
    store.write(same, rows(same, visitor_id=[2], stars=[0.5], at=NOON - SECOND))
    given = {"visitor_id": [1, 1, 2], "shop_id": ["x", "y", "x"], "shelf": [7, 7, -7]}
    store.write(both, rows(both, **given, price=[1.0, 2.0, 3.0], at=NOON))
    store.write(keyless, rows(keyless, rate=[9.0], at=NOON))
    found = prepared(settings, store, single, same, both, keyless, never).read(
        {"visitor_id": [1, 2, 1], "shop_id": ["y", "x", "x"], "shelf": [7, -7, 8]}, NOON
    )
    by_name = dict(zip(found.names, found.columns, strict=True))
    assert by_name == {
        "pages": [10, 20, 10],
        "city": ["a", "b", "a"],
        "stars": [None, 0.5, None],
        "price": [2.0, 3.0, None],
        "rate": [9.0, 9.0, 9.0],
        "gone": [None] * 3,
    }
    assert found.views["both"] == ["FOUND", "FOUND", "NOT_FOUND"]
    alone = prepared(settings, store, keyless)
    assert (alone.read({}).columns, alone.read({}).count) == ([[9.0]], 1)
    assert alone.read_rows([{}, {}]).columns == [[9.0, 9.0]]


def test_the_same_number_as_another_type_is_another_key(settings: Settings, store: OnlineStore) -> None:
    one = view("shelves", {"full": "bool"}, ("shelf",))
    store.write(one, rows(one, shelf=[1], full=[True], at=NOON))
    assert read(settings, store, one, shelf=[1, 2]) == [(True,), (None,)]


def test_answers_as_json(settings: Settings, store: OnlineStore) -> None:
    features = {"stars": "float64", "last": "timestamp", "city": "string", "all": "array<int64>"}
    one = view(features=features)
    store.write(
        one,
        rows(
            one,
            visitor_id=[1, 2],
            stars=[math.nan, 0.1],
            last=[NOON, NOON + MICRO],
            city=['"', None],
            all=[[1, None], []],
            at=NOON,
        ),
    )
    found = prepared(settings, store, one, names=["a", "b", "c", "d"]).read({"visitor_id": [1, 2, 3]})
    assert found.rows_json() == [
        b'{"a":null,"b":"2026-03-01T12:00:00Z","c":"\\"","d":[1,null]}',
        b'{"a":0.1,"b":"2026-03-01T12:00:00.000001Z","c":null,"d":[]}',
        b'{"a":null,"b":null,"c":null,"d":null}',
    ]
    assert [set(json.loads(one).values()) for one in found.statuses_json()] == [
        {"FOUND"},
        {"FOUND"},
        {"NOT_FOUND"},
    ]


@pytest.mark.parametrize("wrong", ["one", 1.5, True, None, 2**63, [1]])
def test_a_value_that_is_no_key_is_refused(settings: Settings, store: OnlineStore, wrong: Any) -> None:
    asked = prepared(settings, store, view())
    with pytest.raises(TypeMismatch, match="'visitor_id' is int64"):
        asked.read({"visitor_id": [1, wrong]})


def test_a_text_that_is_no_text_is_refused(settings: Settings, store: OnlineStore) -> None:
    asked = prepared(settings, store, view("shops", keys=("shop_id",)))
    assert asked.read({"shop": [5, "5"]}).keys == {"shop_id": ["5", "5"]}
    with pytest.raises(TypeMismatch, match="surrogates"):
        asked.read({"shop_id": ["\ud800"]})


def test_what_cannot_be_looked_up_is_refused(settings: Settings, store: OnlineStore) -> None:
    one = view(keys=("visitor_id", "shop_id"))
    asked = prepared(settings, store, one)
    with pytest.raises(Invalid, match="missing: shop_id; unknown: customer"):
        asked.read({"visitor": [1], "customer": [2]})
    with pytest.raises(Invalid, match="several lengths"):
        asked.read({"visitor": [1, 2], "shop": ["a"]})
    with pytest.raises(Invalid, match="missing: shop_id"):
        asked.read_rows([{"visitor": 1, "shop": "a"}, {"visitor": 1}])
    with pytest.raises(Invalid, match="'asleep' is not online"):
        prepared(settings, store, view("asleep", online=False))


def test_a_reader_sees_the_whole_of_a_row_or_none_of_it(settings: Settings, store: OnlineStore) -> None:
    names = {f"f{number}": "int64" for number in range(20)}
    one = view(features=names)
    asked = prepared(settings, store, one)
    done = Event()

    def write() -> None:
        for number in range(60):
            values = {name: [number] for name in names}
            store.write(one, rows(one, visitor_id=[1], at=NOON + number * SECOND, **values))
        done.set()

    def seen() -> Iterator[set[Any]]:
        while not done.is_set():
            yield {column[0] for column in asked.read({"visitor_id": [1]}).columns}

    writer = Thread(target=write)
    writer.start()
    try:
        assert all(len(values) == 1 for values in seen())
    finally:
        writer.join()
    assert {column[0] for column in asked.read({"visitor_id": [1]}).columns} == {59}


def test_a_view_that_was_declared_otherwise_gives_no_value_of_another_kind(
    settings: Settings, store: OnlineStore
) -> None:
    before = view(features={"a": "int64", "b": "float64", "c": "int64", "d": "string"})
    store.write(before, rows(before, visitor_id=[1], a=[1], b=[0.5], c=[2], d=["x"], at=NOON))
    # As many of each kind as before, but elsewhere; a whole number is one where a float is declared.
    now = view(features={"a": "float64", "b": "int64", "c": "string", "d": "int64", "e": "bool"})
    assert read(settings, store, now, visitor_id=[1]) == [(1.0, None, None, None, None)]
    assert arrow_type("float64") is not None


def test_unknown_features_are_refused(settings: Settings, store: OnlineStore) -> None:
    from asgard_pipelines.declarations import Declarations, FeatureRef
    from asgard_pipelines.features.online.prepared import PreparedRead
    from asgard_pipelines_tests.contracts.online.views import ENTITIES

    declared = Declarations(project=store.project, entities=ENTITIES, views=[view()])
    with pytest.raises(ColumnNotFound, match="Did you mean 'pages'"):
        PreparedRead(settings, store, declared, [FeatureRef(view="visits", feature="page", dtype="int64")])
    with pytest.raises(FeatureViewNotFound, match="Did you mean 'visits'"):
        PreparedRead(settings, store, declared, [FeatureRef(view="visit", feature="pages", dtype="int64")])
