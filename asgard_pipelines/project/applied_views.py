"""Feature views declared together with their table: imported from Parquet, or made for what is pushed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import (
    Declarations,
    FeatureViewBody,
    SourceBody,
)
from asgard_pipelines.errors import BackendUnavailable, Conflict, Invalid
from asgard_pipelines.features.kinds import arrow_type
from asgard_pipelines.lakehouse import (
    Lakehouse,
    below_a_root,
    import_parquet,
    make_table,
    parquet_source,
)
from asgard_pipelines.lakehouse.parquet_files import ParquetSource
from asgard_pipelines.project.declaring import Wanted, put, standing
from asgard_pipelines.project.declaring_features import SettledView, settle_over
from asgard_pipelines.state import Made

PLACE = "POST /api/v1/features/apply"
CREATED = "created_timestamp"
"""The column of a pushed view's table that says when a row arrived."""


@dataclass(frozen=True)
class AppliedSource:
    """Either `path`, of Parquet, or `push_source`, the name by which rows are pushed."""

    timestamp: str
    path: str | None = None
    created_timestamp: str | None = None
    push_source: str | None = None


def apply_view(
    lakehouse: Lakehouse,
    declarations: Declarations,
    body: FeatureViewBody,
    source: AppliedSource,
    sent: Mapping[str, Any],
    author: str,
    *,
    replace: bool = False,
) -> tuple[Made, bool]:
    """Puts the view in force over a table of its own, called as the view in the gold schema; and whether
    anything changed. The same again takes in what has changed in the files.

    Args:
        body: the view; its `source` counts for nothing.
        sent: is compared when the same comes again.

    Raises:
        ColumnNotFound, TypeMismatch
        Invalid: the path is below no storage root, or holds no Parquet, or two columns of one name; an entity
            that is no column.
        Conflict: another view of that name stands, and `replace` is off; or a table, made otherwise.
        BackendUnavailable: the storage does not answer.
    """
    settings = lakehouse.settings
    table = f"{settings.gold_schema}.{body.name}"
    _need_free(lakehouse, declarations, body.name, sent, replace)
    if source.push_source is not None:
        settled, schema = _pushed(body, source, declarations, table)
        make_table(lakehouse, table, schema, "push")
    else:
        files = _files(settings.storage_roots, source.path or "")
        settled = settle_over(_over(body, source, table), declarations, table, files.schema, PLACE)
        import_parquet(lakehouse, files, table)
    entities = [Wanted("entity", one, one.model_dump(mode="json")) for one in settled.entities]
    made, changed = put(
        settings, [*entities, Wanted("feature_view", settled.view, sent)], author, replace=replace
    )
    return made[-1], changed


def _need_free(
    lakehouse: Lakehouse, declarations: Declarations, name: str, sent: Mapping[str, Any], replace: bool
) -> None:
    """Before anything is written. Raises Conflict."""
    stands = standing(lakehouse.settings, "feature_view", name)
    if stands is not None and stands.sent != sent and not replace:
        raise Conflict(
            f"Feature view '{name}' is declared already, otherwise. `?replace=true` puts this one in its "
            "place.",
            name=name,
            declared=stands.sent,
        )
    for view in declarations.all_views:
        if stands is None and view.name == name:
            raise Conflict(
                f"Feature view '{name}' is declared in {view.where.file}: change it there.", name=name
            )


def _files(roots: str, path: str) -> ParquetSource:
    where = below_a_root(roots, path)
    try:
        files = parquet_source(where)
        names = files.schema.names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise Invalid(f"The files at '{where}' have more than one column called {', '.join(twice)}.")
        return files
    except Invalid as error:
        raise Invalid(
            error.message.replace(where, path), field="feature_view.source.path", path=path
        ) from None
    except OSError as error:
        raise BackendUnavailable(f"The storage of '{path}' cannot be read.", path=path) from error


def _pushed(
    body: FeatureViewBody, source: AppliedSource, declarations: Declarations, table: str
) -> tuple[SettledView, pa.Schema]:
    """The view, and its table's columns: keys, features, the event's time, and when it arrived."""
    sent = {one.name: one for one in body.features}
    keys: dict[str, str] = {}
    for name in body.entities:
        known = next((one for one in declarations.entities if name in (one.name, one.join_key)), None)
        column = next((one for one in (name, f"{name}_id") if one in sent), name)
        keys[known.join_key if known else column] = (
            known.dtype if known else sent[column].dtype if column in sent else "string"
        )
    features = [one for one in body.features if one.name not in keys and one.name != source.timestamp]
    if CREATED in sent or not features:
        raise Invalid(
            f"A pushed view has features, and none called '{CREATED}': that is when a row arrived.",
            field="feature_view.schema",
        )
    schema = _schema([*keys.items(), *((one.name, one.dtype) for one in features)], source.timestamp)
    whole = _over(
        body.model_copy(update={"features": features}),
        dataclasses.replace(source, created_timestamp=CREATED),
        table,
    )
    settled = settle_over(whole, declarations, table, schema, PLACE)
    view = settled.view.model_copy(update={"push_source": source.push_source})
    return dataclasses.replace(settled, view=view), schema


def _schema(columns: Sequence[tuple[str, str]], timestamp: str) -> pa.Schema:
    times = [(timestamp, "timestamp"), (CREATED, "timestamp")]
    return pa.schema([pa.field(name, arrow_type(dtype)) for name, dtype in [*columns, *times]])


def _over(body: FeatureViewBody, source: AppliedSource, table: str) -> FeatureViewBody:
    over = SourceBody(
        table_name=table,
        timestamp_field=source.timestamp,
        created_timestamp_column=source.created_timestamp,
    )
    return body.model_copy(update={"source": over})
