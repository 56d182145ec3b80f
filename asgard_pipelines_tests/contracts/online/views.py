"""Views for the contract of the online stores, and rows of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, Entity, Feature, FeatureRef, FeatureView, Where
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.features.online import OnlineStore
from asgard_pipelines.features.online.prepared import PreparedRead
from asgard_pipelines.settings import Settings

WHERE = Where(file="repo.py")
NOON = datetime(2026, 3, 1, 12)
SECOND = timedelta(seconds=1)
MICRO = timedelta(microseconds=1)
KEYS = {"visitor_id": "int64", "shop_id": "string", "shelf": "int32"}
ENTITIES = [
    Entity(name=key.removesuffix("_id"), join_key=key, dtype=dtype, where=WHERE)
    for key, dtype in KEYS.items()
]


def view(
    name: str = "visits",
    features: dict[str, str] | None = None,
    keys: tuple[str, ...] = ("visitor_id",),
    *,
    created: bool = False,
    ttl: timedelta | None = None,
    online: bool = True,
) -> FeatureView:
    named = features or {"pages": "int64", "city": "string"}
    return FeatureView(
        name=name,
        entities=[key.removesuffix("_id") for key in keys],
        join_keys={key: key for key in keys},
        features=[Feature(name=one, dtype=dtype, column=one) for one, dtype in named.items()],
        table=f"gold.{name}",
        timestamp="at",
        created_timestamp="seen" if created else None,
        ttl=ttl,
        online=online,
        where=WHERE,
    )


def rows(of: FeatureView, **columns: Any) -> pa.Table:
    """The columns in their declared types; `at` and `seen` may be one time for all rows."""
    length = max(len(column) for column in columns.values() if isinstance(column, list))
    types = {one.name: arrow_type(one.dtype) for one in of.features}
    types |= {key: arrow_type(KEYS[key]) for key in of.join_keys}
    types |= {"at": pa.timestamp("us"), "seen": pa.timestamp("us")}
    made = {
        name: pa.array(column if isinstance(column, list) else [column] * length, types[name])
        for name, column in columns.items()
    }
    return pa.table(made)


def visit(
    of: FeatureView, pages: int | None, at: datetime, seen: datetime | None = None, key: int = 1
) -> pa.Table:
    """One row of the view `visits`."""
    more = {"seen": [seen]} if of.created_timestamp else {}
    return rows(of, visitor_id=[key], pages=[pages], city=["Bonn"], at=at, **more)


def prepared(settings: Settings, store: OnlineStore, *views: FeatureView, **of_prepared: Any) -> PreparedRead:
    """A read of all features of the views."""
    declared = Declarations(project=store.project, entities=ENTITIES, views=list(views))
    refs = [FeatureRef(view=one.name, feature=f.name, dtype=f.dtype) for one in views for f in one.features]
    return PreparedRead(settings, store, declared, refs, **of_prepared)


def read(
    settings: Settings,
    store: OnlineStore,
    of: FeatureView,
    as_of: datetime | None = None,
    **entities: list[Any],
) -> list[tuple[Any, ...]]:
    """For each row asked, the features' values."""
    answer = prepared(settings, store, of).read(entities, as_of)
    return list(zip(*answer.columns, strict=True))


def pages(settings: Settings, store: OnlineStore, of: FeatureView, key: int = 1) -> int | None:
    """What stands there of a visitor."""
    found: int | None = read(settings, store, of, visitor_id=[key])[0][0]
    return found
