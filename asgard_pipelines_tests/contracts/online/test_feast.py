"""Feast's own store reads what ours wrote, ours reads what Feast's wrote, and Feast's rows are guarded
too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feast import FeatureStore

from asgard_pipelines.features.online import OnlineStore, Written
from asgard_pipelines.features.online.encoded_rows import encoded
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.stock import feast_with, online, written
from asgard_pipelines_tests.contracts.online.views import (
    ENTITIES,
    MICRO,
    NOON,
    SECOND,
    pages,
    prepared,
    read,
    rows,
    view,
    visit,
)
from asgard_pipelines_tests.stack.online_stores import Kind

VISITS, SEEN = view(), view("seen", created=True)
EVERYTHING = view(
    "everything",
    {
        "text": "string",
        "small": "int32",
        "whole": "int64",
        "double": "float64",
        "single": "float32",
        "flag": "bool",
        "moment": "timestamp",
        "texts": "array<string>",
        "numbers": "array<int64>",
        "doubles": "array<float64>",
        "flags": "array<bool>",
        "moments": "array<timestamp>",
    },
    ("visitor_id", "shop_id"),
)
VALUES: dict[str, list[Any]] = {
    "text": ["Łódź", "", None],
    "small": [-1, 2**31 - 1, None],
    "whole": [-(2**63), 2**63 - 1, None],
    "double": [0.1, -1e300, None],
    "single": [0.5, -2.0, None],
    "flag": [True, False, None],
    "moment": [NOON, datetime(1969, 7, 20, 20, 17, 40), None],
    "texts": [["a", ""], ["b"], None],
    "numbers": [[1, -1], [2], None],
    "doubles": [[0.1], [0.2, 0.3], None],
    "flags": [[True, False], [False], None],
    "moments": [[NOON, NOON + SECOND], [NOON], None],
}
KEYLESS = view("keyless", {"rate": "float64"}, ())


OURS = {"type": "asgard_pipelines.features.online.GuardedOnlineStore"}


@pytest.fixture(params=["ours makes the tables", "Feast makes the tables"])
def feast(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path, project: str, kind: Kind
) -> FeatureStore:
    """A Feast program over Feast's own store, in the place of ours."""
    over = OURS if request.param.startswith("ours") else kind.feast
    opened = feast_with(tmp_path, project, over, ENTITIES, [VISITS, SEEN, EVERYTHING, KEYLESS])
    return opened if over is kind.feast else feast_with(tmp_path, project, kind.feast)


def _plain(value: Any) -> Any:
    """A time as naive UTC."""
    if isinstance(value, list | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def test_feast_reads_what_ours_wrote(store: OnlineStore, feast: FeatureStore) -> None:
    keys = {"visitor_id": [1, 2**62, -3], "shop_id": ["a", "", "Łódź"]}
    store.write(EVERYTHING, rows(EVERYTHING, **keys, **VALUES, at=NOON))
    found = online(feast, EVERYTHING, **keys)
    assert [tuple(map(_plain, row)) for row in found] == list(zip(*VALUES.values(), strict=True))
    store.write(KEYLESS, rows(KEYLESS, rate=[0.5], at=NOON))
    assert online(feast, KEYLESS, visitor_id=[1]) == [(0.5,)]


def test_feast_reads_the_event_time_and_unknown_keys_as_its_own(
    store: OnlineStore, feast: FeatureStore, kind: Kind
) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    answer = feast.get_online_features(["visits:pages"], [{"visitor_id": 1}, {"visitor_id": 2}])
    assert answer.to_dict() == {"visitor_id": [1, 2], "pages": [1, None]}
    assert answer.proto.results[1].event_timestamps[0].ToDatetime() == NOON
    written(feast, "visits", visitor_id=[3], pages=[3], city=["x"], at=[NOON])
    answer = feast.get_online_features(["visits:pages"], [{"visitor_id": 3}])
    assert answer.proto.results[1].event_timestamps[0].ToDatetime() == NOON


def test_ours_reads_what_feast_wrote(settings: Settings, store: OnlineStore, feast: FeatureStore) -> None:
    keys = {"visitor_id": [1, 2**62], "shop_id": ["a", "Łódź"]}
    given = {name: column[:2] for name, column in VALUES.items()}
    given["single"] = np.array(given["single"], np.float32)
    written(feast, "everything", **keys, **given, at=[NOON, NOON])
    expected = [tuple(column[place] for column in VALUES.values()) for place in range(2)]
    assert read(settings, store, EVERYTHING, **keys) == expected
    found = prepared(settings, store, EVERYTHING).read(keys, NOON)
    assert found.event_times()[0] == [NOON, NOON]


def test_what_feast_wrote_is_guarded(settings: Settings, store: OnlineStore, feast: FeatureStore) -> None:
    for key in (1, 2, 3):
        written(feast, "seen", visitor_id=[key], pages=[5], city=["x"], at=[NOON], seen=[NOON])
    assert store.times(SEEN, pa.table({"visitor_id": [1]})).to_pylist() == [{"event": NOON, "created": None}]
    assert store.write(SEEN, visit(SEEN, 6, NOON - MICRO, NOON, key=1)) == Written(0, 1)
    assert store.write(SEEN, visit(SEEN, 6, NOON, None, key=2)) == Written(1, 0)
    assert store.write(SEEN, visit(SEEN, 6, NOON + MICRO, None, key=3)) == Written(1, 0)
    assert [pages(settings, store, SEEN, key) for key in (1, 2, 3)] == [5, 6, 6]


def test_what_feast_wrote_of_many_rows_before_and_since_ours_were_ready_is_guarded(
    settings: Settings, store: OnlineStore, feast: FeatureStore
) -> None:
    keys, one = list(range(200)), {"city": ["x"] * 200}
    times = [NOON + (SECOND if key % 2 else -SECOND) for key in keys]
    for since in (False, True):
        if not since:
            written(feast, "visits", visitor_id=keys, pages=[1] * 200, **one, at=times)
        ours = rows(VISITS, visitor_id=keys, pages=[2] * 200, **one, at=NOON + since * timedelta(hours=1))
        with store.ready("visits", encoded(VISITS, ours)) as put:
            if since:
                later = [at + timedelta(hours=1) for at in times]
                written(feast, "visits", visitor_id=keys, pages=[1] * 200, **one, at=later)
            assert put() == 100
        found = [pages for pages, _ in read(settings, store, VISITS, visitor_id=keys)]
        assert found == [1 if key % 2 else 2 for key in keys]


def test_what_feast_wrote_of_times_before_1970_is_guarded(store: OnlineStore, feast: FeatureStore) -> None:
    at = datetime(1969, 7, 20, 20, 17, 40)
    written(feast, "seen", visitor_id=[1], pages=[5], city=["x"], at=[at], seen=[at])
    assert store.write(SEEN, visit(SEEN, 6, at - MICRO, None)) == Written(0, 1)
    assert store.times(SEEN, pa.table({"visitor_id": [1]})).to_pylist() == [{"event": at, "created": None}]
    assert store.write(SEEN, visit(SEEN, 6, at + MICRO, None)) == Written(1, 0)


def test_after_feast_wrote_its_time_counts_and_ours_no_longer(
    settings: Settings, store: OnlineStore, feast: FeatureStore
) -> None:
    store.write(SEEN, visit(SEEN, 1, NOON + 5 * MICRO, NOON))
    written(feast, "seen", visitor_id=[1], pages=[2], city=["x"], at=[NOON + SECOND], seen=[NOON])
    assert store.times(SEEN, pa.table({"visitor_id": [1]})).to_pylist() == [
        {"event": NOON + SECOND, "created": None}
    ]
    assert pages(settings, store, SEEN) == 2
    assert store.write(SEEN, visit(SEEN, 3, NOON + SECOND - MICRO, NOON)) == Written(0, 1)
    as_feast_wrote = rows(SEEN, visitor_id=[1], at=NOON + SECOND, seen=[None])
    older = visit(SEEN, 4, NOON, NOON)
    assert store.replace(SEEN, as_feast_wrote, older) == Written(1, 0)
    assert (pages(settings, store, SEEN), online(feast, SEEN, visitor_id=[1])) == (4, [(4, "Bonn")])


def test_feast_sees_what_was_replaced_and_deleted(store: OnlineStore, feast: FeatureStore) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON, key=1))
    store.write(VISITS, visit(VISITS, 2, NOON, key=2))
    removed = rows(VISITS, visitor_id=[1, 2], at=NOON)
    store.replace(VISITS, removed, visit(VISITS, 3, NOON - SECOND, key=1))
    assert online(feast, VISITS, visitor_id=[1, 2]) == [(3, "Bonn"), (None, None)]


def test_feast_over_our_store_writes_and_reads_guarded(
    settings: Settings, store: OnlineStore, feast: FeatureStore, tmp_path: Path, project: str
) -> None:
    over = feast_with(tmp_path, project, OURS)
    written(
        over,
        "seen",
        visitor_id=[1, 1, 1],
        pages=[1, 3, 2],
        city=["x"] * 3,
        at=[NOON, NOON + MICRO, NOON],
        seen=[NOON] * 3,
    )
    written(over, "seen", visitor_id=[1], pages=[4], city=["x"], at=[NOON], seen=[NOON + timedelta(days=1)])
    assert (
        online(over, SEEN, visitor_id=[1, 2])
        == [(3, "x"), (None, None)]
        == online(feast, SEEN, visitor_id=[1, 2])
    )
    assert store.times(SEEN, pa.table({"visitor_id": [1]})).to_pylist() == [
        {"event": NOON + MICRO, "created": NOON}
    ]
    assert pages(settings, store, SEEN) == 3
    written(over, "keyless", rate=[0.5], at=[NOON])  # over its own store Feast does not find this again
    assert online(over, KEYLESS, visitor_id=[1]) == [(0.5,)] == online(feast, KEYLESS, visitor_id=[1])
    assert read(settings, store, KEYLESS) == [(0.5,)]
    over.teardown()
    assert pages(settings, store, SEEN) is None
