"""Online reads: what was materialized, with the TTL enforced as the offline join does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.features import OnlineReads, apply, historical_features
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
TTL = timedelta(hours=6)
REFS = [
    FeatureRef(view="visits", feature="pages", dtype="int64"),
    FeatureRef(view="visits", feature="city", dtype="string"),
    FeatureRef(view="visits", feature="last_seen", dtype="timestamp"),
]
_VIEWS = """
from datetime import timedelta

from feast import Entity, FeatureView, Field, Project, ValueType
from feast.types import Int64, String, UnixTimestamp

from asgard_pipelines.features import gold

project = Project(name="shop", description="")
visitor = Entity(name="visitor", join_keys=["visitor_id"], value_type=ValueType.INT64)
came = gold("visits", timestamp_field="at")
visits = FeatureView(
    name="visits",
    entities=[visitor],
    schema=[
        Field(name="pages", dtype=Int64),
        Field(name="city", dtype=String),
        Field(name="last_seen", dtype=UnixTimestamp),
    ],
    source=came,
    ttl=timedelta(hours=6),
    online=True,
)
asleep = FeatureView(
    name="asleep",
    entities=[visitor],
    schema=[Field(name="pages", dtype=Int64)],
    source=came,
    online=False,
)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Lakehouse, Declarations]]:
    """Visitor 1 came at noon, visitor 2 came without a city; all of it is online."""
    folder: Path = tmp_path_factory.mktemp("world")
    init(folder / "shop", empty=True)
    (folder / "shop" / "repo.py").write_text(_VIEWS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(folder / "shop"))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        settings = Settings.read()
        lakehouse = Lakehouse(settings)
        at = NOON.replace(tzinfo=None)
        times = pa.array([at, at], pa.timestamp("us"))
        seen = pa.array([datetime(2024, 12, 31, 23, 30), None], pa.timestamp("us"))
        rows = {"visitor_id": [1, 2], "pages": [7, 9], "city": ["Bonn", None], "last_seen": seen, "at": times}
        lakehouse.append("gold.visits", pa.table(rows), key="visits")
        declarations = load(settings)
        apply(settings)
        view = declarations.view("visits")
        materialize(settings, lakehouse, declarations, view, lakehouse.pin("gold.visits"), as_of=NOON)
        yield settings, lakehouse, declarations


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (timedelta(0), "found"),
        (TTL, "found"),
        (TTL + timedelta(microseconds=1), "expired"),
        (timedelta(microseconds=-1), "missing"),
    ],
)
def test_a_value_counts_from_its_time_to_its_ttl_as_in_the_offline_join(
    world: tuple[Settings, Lakehouse, Declarations], after: timedelta, status: str
) -> None:
    settings, lakehouse, declarations = world
    read = OnlineReads(settings).read(declarations, REFS, [{"visitor_id": 1}], NOON + after)
    assert read.status == [{"visits": status}]
    asked = pa.table(
        {"visitor_id": [1], "asked": pa.array([(NOON + after).replace(tzinfo=None)], pa.timestamp("us"))}
    )
    pins = {"gold.visits": lakehouse.pin("gold.visits")}
    offline = historical_features(settings, lakehouse, declarations, asked, "asked", REFS, pins).table
    assert read.rows.to_pylist() == offline.select(read.rows.column_names).to_pylist()
    assert read.rows.schema == offline.select(read.rows.column_names).schema


def test_a_found_entity_may_have_nulls_and_an_unknown_one_is_missing(
    world: tuple[Settings, Lakehouse, Declarations],
) -> None:
    settings, _, declarations = world
    reads = OnlineReads(settings)
    asked = [{"visitor": 2}, {"visitor_id": "3"}, {"visitor_id": 1}]  # by the entity's name; as text
    read = reads.read(declarations, REFS, asked, NOON)
    assert read.status == [{"visits": "found"}, {"visits": "missing"}, {"visits": "found"}]
    assert read.rows.to_pylist() == [
        {"pages": 9, "city": None, "last_seen": None},
        {"pages": None, "city": None, "last_seen": None},
        {"pages": 7, "city": "Bonn", "last_seen": datetime(2024, 12, 31, 23, 30)},
    ]


def test_what_cannot_be_looked_up_is_refused(world: tuple[Settings, Lakehouse, Declarations]) -> None:
    settings, _, declarations = world
    reads = OnlineReads(settings)
    with pytest.raises(Invalid, match="missing: visitor_id; unknown: customer"):
        reads.read(declarations, REFS, [{"customer": 1}])
    for wrong in ("one", 1.5, True, None, 2**63):
        with pytest.raises(TypeMismatch, match="'visitor_id' is int64"):
            reads.read(declarations, REFS, [{"visitor_id": wrong}])
    asleep = [FeatureRef(view="asleep", feature="pages", dtype="int64")]
    with pytest.raises(Invalid, match="'asleep' is not online"):
        reads.read(declarations, asleep, [{"visitor_id": 1}])


def test_a_read_is_prepared_once_for_as_long_as_nothing_is_declared_otherwise(
    world: tuple[Settings, Lakehouse, Declarations],
) -> None:
    settings, _, declarations = world
    reads = OnlineReads(settings)
    prepared = reads.prepare(declarations, REFS)
    assert reads.prepare(declarations, list(REFS)) is prepared
    named = reads.prepare(declarations, REFS, ["a", "b", "c"])
    assert named is not prepared
    assert named.read({"visitor": [1]}, NOON).rows_json() == [
        b'{"a":7,"b":"Bonn","c":"2024-12-31T23:30:00Z"}'
    ]
    view = declarations.view("visits")
    shorter = view.model_copy(update={"ttl": timedelta(seconds=1)})
    others = [one for one in declarations.views if one.name != "visits"]
    changed = declarations.model_copy(update={"views": [shorter, *others]})
    later = NOON + timedelta(minutes=1)
    assert reads.read(declarations, REFS, [{"visitor_id": 1}], later).status == [{"visits": "found"}]
    assert reads.prepare(changed, REFS) is not prepared
    assert reads.read(changed, REFS, [{"visitor_id": 1}], later).status == [{"visits": "expired"}]
