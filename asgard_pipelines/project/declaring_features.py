"""Feature views and services declared over REST, settled against the tables that there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from asgard_pipelines.declarations import (
    Declarations,
    Entity,
    Feature,
    FeatureService,
    FeatureServiceBody,
    FeatureView,
    FeatureViewBody,
    ServiceView,
    Where,
    fits,
)
from asgard_pipelines.errors import (
    ColumnNotFound,
    FeatureViewNotFound,
    Invalid,
    TableNotFound,
    TypeMismatch,
    did_you_mean,
)
from asgard_pipelines.lakehouse import Lakehouse, added_column, declared_type
from asgard_pipelines.project.made_contents import PLACES
from asgard_pipelines.project.uses import refuse_deprecated
from asgard_pipelines.settings import CATALOG


@dataclass(frozen=True)
class SettledView:
    """A view, and the entities that are made along with it."""

    view: FeatureView
    entities: list[Entity]


def settle_view(body: FeatureViewBody, declarations: Declarations, lakehouse: Lakehouse) -> SettledView:
    """The view that `body` declares.

    An entity is one that is declared by that name, else by that join key; else one is made, whose join key
    is the column of that name, or of that name and `_id`.

    Raises:
        TableNotFound, ColumnNotFound, TypeMismatch
        Invalid: another catalog, or an entity that is no column.
    """
    pin = lakehouse.pin(_table(body, lakehouse))
    return settle_over(body, declarations, pin.table, lakehouse.schema(pin))


def settle_over(
    body: FeatureViewBody,
    declarations: Declarations,
    table: str,
    schema: pa.Schema,
    place: str = PLACES["feature_view"],
) -> SettledView:
    """The same over a table that need not be there yet, of this schema; `place` is where it is declared.

    Raises:
        ColumnNotFound, TypeMismatch
        Invalid: an entity that is no column.
    """
    entities = [_entity(name, body, declarations, schema, table) for name in body.entities]
    known = {entity.name for entity in declarations.entities}
    _need_times(body, schema, table)
    features = [_feature(one.name, one.dtype, one.description, schema, table) for one in body.features]
    view = FeatureView(
        name=body.name,
        description=body.description,
        owner=body.owner,
        tags=body.tags,
        where=Where(file=place),
        entities=[entity.name for entity in entities],
        join_keys={entity.join_key: entity.join_key for entity in entities},
        features=features,
        table=table,
        timestamp=body.source.timestamp_field,
        created_timestamp=body.source.created_timestamp_column,
        ttl=timedelta(seconds=body.ttl_seconds) if body.ttl_seconds else None,
        online=body.online,
    )
    return SettledView(view, [entity for entity in entities if entity.name not in known])


def settle_service(body: FeatureServiceBody, declarations: Declarations) -> FeatureService:
    """
    Raises:
        FeatureViewNotFound
        Conflict: the service is new, and a view is deprecated.
    """
    known = {view.name: view for view in declarations.all_views}
    for name in body.feature_views:
        if name not in known:
            raise FeatureViewNotFound(name, known)
    if body.name not in {service.name for service in declarations.services}:
        refuse_deprecated((known[name] for name in body.feature_views), f"Feature service '{body.name}'")
    return FeatureService(
        name=body.name,
        description=body.description,
        owner=body.owner,
        tags=body.tags,
        where=Where(file=PLACES["feature_service"]),
        views=[
            ServiceView(view=name, features=[feature.name for feature in known[name].features])
            for name in body.feature_views
        ],
    )


def _table(body: FeatureViewBody, lakehouse: Lakehouse) -> str:
    source = body.source
    if source.catalog != CATALOG:
        raise Invalid(
            f"There is no catalog '{source.catalog}': the catalog is called '{CATALOG}'.",
            field="source.catalog",
        )
    name = source.table_name
    if "." not in name and source.schema_name is not None:
        name = f"{source.schema_name}.{name}"
    if not lakehouse.exists(name):
        raise TableNotFound(name, [state.table for state in lakehouse.tables()])
    return lakehouse.resolve(name)


def _entity(
    name: str, body: FeatureViewBody, declarations: Declarations, schema: pa.Schema, table: str
) -> Entity:
    for entity in declarations.entities:
        if name in (entity.name, entity.join_key):
            _need(entity.join_key, schema, table)
            return entity
    join_key = next((column for column in (name, f"{name}_id") if column in schema.names), None)
    if join_key is None:
        raise Invalid(
            f"'{name}' is no entity, and '{table}' has neither a column '{name}' nor '{name}_id'."
            f"{did_you_mean(name, schema.names)} Present: {', '.join(schema.names)}.",
            field="entities",
            entity=name,
            table=table,
            present=schema.names,
        )
    return Entity(
        name=name,
        where=Where(file=PLACES["entity"]),
        join_key=join_key,
        dtype=declared_type(schema.field(join_key).type),
    )


def _need(column: str, schema: pa.Schema, table: str, dtype: str | None = None) -> None:
    """Raises ColumnNotFound."""
    if column not in schema.names:
        sql = None if dtype is None else added_column(table, column, dtype)
        raise ColumnNotFound(column, schema.names, table=table, sql=sql)


def _need_times(body: FeatureViewBody, schema: pa.Schema, table: str) -> None:
    for column in filter(None, (body.source.timestamp_field, body.source.created_timestamp_column)):
        _need(column, schema, table, "timestamp")
        found = declared_type(schema.field(column).type)
        if not fits(found, "timestamp"):
            raise TypeMismatch(
                f"Column '{column}' of '{table}' is {found}, which is no timestamp.",
                table=table,
                column=column,
                declared="timestamp",
                found=found,
            )


def _feature(name: str, dtype: str, description: str, schema: pa.Schema, table: str) -> Feature:
    _need(name, schema, table, dtype)
    found = declared_type(schema.field(name).type)
    if not fits(found, dtype):
        raise TypeMismatch(
            f"Column '{name}' of '{table}' is declared {dtype}, and is {found}.",
            table=table,
            column=name,
            declared=dtype,
            found=found,
        )
    return Feature(name=name, dtype=dtype, column=name, description=description)
