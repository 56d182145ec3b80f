"""From Feast's objects to declarations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from feast import PushSource, types
from feast.errors import SpecifiedFeaturesNotPresentError
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.value_type import ValueType
from pydantic import ValidationError

from asgard_pipelines.declarations import (
    Declared,
    Entity,
    Feature,
    FeatureService,
    FeatureView,
    OnDemandView,
    ServiceView,
)
from asgard_pipelines.errors import InvalidDeclarations, Problem, did_you_mean
from asgard_pipelines.features.declared_places import DeclaredPlaces
from asgard_pipelines.features.made_objects import MADE
from asgard_pipelines.features.source_pins import AS_OF_TAG, SNAPSHOT_TAG
from asgard_pipelines.features.sources import house_source

_TYPES = {
    types.Int32: "int32",
    types.Int64: "int64",
    types.Float32: "float32",
    types.Float64: "float64",
    types.String: "string",
    types.Bool: "bool",
    types.UnixTimestamp: "timestamp",
}
D = TypeVar("D", bound=Declared)


@dataclass(frozen=True)
class RepoContents:
    """`project` is Feast's project name; lists are in the order of their names."""

    project: str
    entities: list[Entity]
    views: list[FeatureView]
    on_demand_views: list[OnDemandView]
    services: list[FeatureService]


class _WrongError(Exception):
    """One thing wrong in the object at hand: the field, and what would be right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def convert(repo: Path, project: str, contents: Any) -> RepoContents:
    """
    Raises:
        InvalidDeclarations: one Problem per object that cannot be taken.
    """
    places = DeclaredPlaces(repo)
    problems: list[Problem] = []
    keys: dict[str, Any] = {}

    def each(objects: list[Any], kind: str, read: Callable[[Any, dict[str, Any]], D]) -> list[D]:
        done: dict[str, D] = {}
        for found in objects:
            where = places.of(found.name, kind)
            try:
                common = {
                    "name": found.name,
                    "description": found.description or "",
                    "owner": getattr(found, "owner", "") or None,
                    "tags": dict(found.tags or {}),
                    "where": where,
                }
                if found.name in done:
                    raise _WrongError(
                        "name", f"'{found.name}' is declared twice, also in {done[found.name].where}"
                    )
                done[found.name] = read(found, common)
            except _WrongError as wrong:
                problems.append(Problem(where.file, where.line, wrong.field, str(wrong)))
            except ValidationError as error:
                for e in error.errors():
                    field = ".".join(map(str, e["loc"]))
                    message = e["msg"].removeprefix("Value error, ")
                    if e["type"] == "string_pattern_mismatch":
                        message = "a name is made of letters, digits and _, and begins with no digit"
                    if e["type"] != "value_error":
                        message += f"; {str(e['input'])!r} is not"
                    problems.append(Problem(where.file, where.line, field, message))
        return [done[name] for name in sorted(done)]

    contents = _of_the_code(contents)
    own_entities = [e for e in contents.entities if e.name != DUMMY_ENTITY_NAME]
    keys = {e.name: e for e in own_entities}
    entities = each(own_entities, "Entity", lambda e, c: _entity(e, c, contents.feature_views))
    views = each(contents.feature_views, "FeatureView", lambda v, c: _view(v, c, keys))
    known = {view.name for view in contents.feature_views}
    on_demand = each(
        contents.on_demand_feature_views, "OnDemandFeatureView", lambda v, c: _on_demand(v, c, known)
    )
    known |= {view.name for view in contents.on_demand_feature_views}
    services = each(contents.feature_services, "FeatureService", lambda s, c: _service(s, c, known))
    for stream in contents.stream_feature_views:
        where = places.of(stream.name, "StreamFeatureView")
        problems.append(
            Problem(where.file, where.line, "", "stream feature views are not taken: declare a FeatureView")
        )
    problems += _sources_of_one_name(contents.feature_views, places)
    both = {v.name for v in views} & {v.name for v in on_demand}
    problems += [
        Problem(v.where.file, v.where.line, "name", f"a feature view is called '{v.name}' too")
        for v in on_demand
        if v.name in both
    ]
    if problems:
        raise InvalidDeclarations(problems)
    return RepoContents(project, entities, views, on_demand, services)


def _sources_of_one_name(views: list[Any], places: DeclaredPlaces) -> list[Problem]:
    """Feast takes each name of a source once, whatever its case."""
    named: dict[str, tuple[Any, str]] = {}
    problems = []
    for view in views:
        source = view.batch_source
        other, of = named.setdefault(source.name.lower(), (source, view.name))
        if other is not source:
            where = places.of(view.name, "FeatureView")
            told = f"the source of '{of}' is called '{source.name}' too, and is another: give one a `name`"
            problems.append(Problem(where.file, where.line, "source", told))
    return problems


def _of_the_code(contents: Any) -> Any:
    """Without what was declared over REST, which `repo.py` takes in: it is declared elsewhere."""
    kinds = {name: getattr(contents, name) for name in ("entities", "feature_views", "feature_services")}
    own = {name: [one for one in found if MADE not in (one.tags or {})] for name, found in kinds.items()}
    return contents._replace(**own)


def _entity(entity: Any, common: dict[str, Any], views: list[Any]) -> Entity:
    dtype = entity.value_type
    if dtype == ValueType.UNKNOWN:
        fields = {f.name: f.dtype for v in views if entity.name in v.entities for f in v.entity_columns}
        if entity.join_key not in fields:
            raise _WrongError(
                "value_type", "give the join key's type: value_type=ValueType.STRING, for example"
            )
        return Entity(
            **common, join_key=entity.join_key, dtype=_type(fields[entity.join_key], entity.join_key)
        )
    return Entity(
        **common, join_key=entity.join_key, dtype=_type(types.from_value_type(dtype), entity.join_key)
    )


def _view(view: Any, common: dict[str, Any], entities: dict[str, Any]) -> FeatureView:
    source = house_source(view.batch_source)
    if source is None:
        raise _WrongError(
            "source", 'views stand on gold tables: source=gold("TABLE", timestamp_field="COLUMN")'
        )
    if {SNAPSHOT_TAG, AS_OF_TAG} & set(source.tags):
        raise _WrongError(
            "source",
            "the table is pinned: what is trained on and predicted from is pinned anew each time, and "
            "written down. Pins are for Feast programs; take this one away",
        )
    if not source.timestamp_field:
        raise _WrongError("source", "the source needs timestamp_field, the column of the event time")
    names = [name for name in view.entities if name != DUMMY_ENTITY_NAME]
    for name in names:
        if name not in entities:
            raise _WrongError("entities", f"no entity '{name}' is declared.{did_you_mean(name, entities)}")
    if not view.features:
        raise _WrongError("schema", "name the view's features: schema=[Field(name=…, dtype=…)]")
    column_of = {name: column for column, name in source.field_mapping.items()}
    join_keys = [entities[name].join_key for name in names]
    return FeatureView(
        **common,
        entities=names,
        join_keys={key: column_of.get(key, key) for key in join_keys},
        features=[
            _feature(f, column_of.get(f.name, f.name)) for f in view.features if f.name not in join_keys
        ],
        table=f"{source.namespace}.{source.iceberg_table}",
        timestamp=column_of.get(source.timestamp_field, source.timestamp_field),
        created_timestamp=column_of.get(source.created_timestamp_column, source.created_timestamp_column)
        or None,
        ttl=view.ttl or None,  # Feast's zero never expires
        online=view.online,
        push_source=_push_source(view),
    )


def _push_source(view: Any) -> str | None:
    stream = view.stream_source
    if stream is None:
        return None
    if not isinstance(stream, PushSource):
        raise _WrongError(
            "source", f"a {type(stream).__name__} is not taken: rows come by a PushSource, or into the table"
        )
    return str(stream.name)


def _on_demand(view: Any, common: dict[str, Any], known: set[str]) -> OnDemandView:
    sources = list(view.source_feature_view_projections)
    for name in sources:
        if name not in known:
            raise _WrongError("sources", f"no feature view '{name}' is declared.{did_you_mean(name, known)}")
    if view.get_request_data_schema():
        raise _WrongError(
            "sources", "request data does not exist in training and batch prediction: use feature views"
        )
    _try_function(view)
    code = getattr(view.feature_transformation, "udf_string", "") or ""
    return OnDemandView(
        **common,
        features=[_feature(f, f.name) for f in view.features],
        sources=sources,
        fingerprint=hashlib.sha256(code.encode()).hexdigest(),
    )


def _try_function(view: Any) -> None:
    """Runs it on one made-up row, as `feast apply` would. Raises _WrongError."""
    try:
        view.infer_features()
    except SpecifiedFeaturesNotPresentError as error:
        missing = re.findall(r"name='(\w+)'", str(error).split(" not found in ")[0])  # it keeps no list
        raise _WrongError(
            "schema",
            f"the function does not return {', '.join(missing)} as the schema says: by that name, with "
            "that type, and without a description",
        ) from None
    except Exception as error:  # whatever a user's function raises is a problem of that function
        raise _WrongError(
            "", f"the function fails on a made-up row: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


def _service(service: Any, common: dict[str, Any], known: set[str]) -> FeatureService:
    views = []
    for projection in service.feature_view_projections:
        if projection.name not in known:
            raise _WrongError(
                "features", f"no view '{projection.name}' is declared.{did_you_mean(projection.name, known)}"
            )
        if projection.name_alias or projection.join_key_map:
            raise _WrongError(
                "features", f"'{projection.name}' is renamed in the service: declare a view of that name"
            )
        views.append(ServiceView(view=projection.name, features=[f.name for f in projection.features]))
    return FeatureService(**common, views=views)


def _feature(field: Any, column: str) -> Feature:
    return Feature(
        name=field.name,
        dtype=_type(field.dtype, field.name),
        column=column,
        description=field.description or "",
    )


def _type(dtype: Any, name: str) -> str:
    if isinstance(dtype, types.Array):
        return f"array<{_type(dtype.base_type, name)}>"
    if dtype not in _TYPES:
        raise _WrongError(
            name, f"type {dtype} is not taken; these are: {', '.join(map(str, _TYPES))}, and arrays of them"
        )
    return _TYPES[dtype]
