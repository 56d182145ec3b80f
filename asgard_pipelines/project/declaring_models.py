"""Models and predictions declared over REST, settled against the tables that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgard_pipelines.declarations import (
    Declarations,
    Model,
    ModelBody,
    Prediction,
    PredictionBody,
    Where,
)
from asgard_pipelines.errors import (
    ColumnNotFound,
    Conflict,
    DeclarationNotFound,
    FeatureViewNotFound,
    Invalid,
    Problem,
    TableNotFound,
    did_you_mean,
)
from asgard_pipelines.lakehouse import Lakehouse, added_column, declared_type
from asgard_pipelines.project.checks import VERSION, check_prediction
from asgard_pipelines.project.documents import Document
from asgard_pipelines.project.gold_files import implicit
from asgard_pipelines.project.made_contents import PLACES
from asgard_pipelines.project.resolve import Scope, UnresolvedError, qualified, resolve
from asgard_pipelines.project.uses import named_views, refuse_deprecated

_LABELS = {"classification": "bool", "regression": "float64"}


def settle_model(body: ModelBody, declarations: Declarations, lakehouse: Lakehouse) -> Model:
    """The model that `body` declares, with what it left open frozen: the source's table, and its features.

    Raises:
        TableNotFound, ColumnNotFound, FeatureViewNotFound, DeclarationNotFound
        Conflict: the model is new, and what it would learn from is deprecated.
        Invalid: whatever else cannot be, each with its field; hyperparameters among it.
    """
    from asgard_pipelines.training import check_hyperparameters  # scikit-learn: seconds

    model = Model(where=Where(file=PLACES["model"]), **_fields(body))
    check_hyperparameters(model)
    data = model.training_data
    scope = _scope(declarations, lakehouse, data.entity_df_source)
    source = _table(scope, data.entity_df_source)
    _need(scope, source, data.label_column, _LABELS[model.model_type])
    _need(scope, source, data.event_timestamp_column, "timestamp")
    _need_features(scope, model)
    views = [name.split(":", 1)[0] for name in model.features or []] + (model.feature_views or [])
    for view in scope.stands_on(views):
        for key in view.join_keys:
            _need(scope, source, key)
    try:
        resolved = resolve(model, scope)
    except UnresolvedError as error:
        raise Invalid(f"{str(error)[:1].upper()}{str(error)[1:]}", field=_path(error.field)) from None
    if model.name not in {one.model.name for one in declarations.models}:
        services = [one for one in declarations.services if one.name == model.feature_service]
        used = [*services, *named_views(declarations, (*resolved.views, *resolved.on_demand_views))]
        refuse_deprecated(used, f"Model '{model.name}'")
    return resolved.model.model_copy(
        update={
            "training_data": data.model_copy(update={"entity_df_source": resolved.source}),
            "feature_service": None,
            "feature_views": None,
            "features": [f"{ref.view}:{ref.feature}" for ref in resolved.features],
        }
    )


def settle_prediction(body: PredictionBody, declarations: Declarations, lakehouse: Lakehouse) -> Prediction:
    """The prediction that `body` declares, its input's table frozen.

    Raises:
        TableNotFound, ColumnNotFound, FeatureViewNotFound
        ModelNotFound: its model is not declared, or no more.
        Conflict: the output table is a gold table; or it is new, and would use what is deprecated.
        Invalid: whatever else cannot be, each with its field.
    """
    fields = {name: value for name, value in _fields(body).items() if name != "prediction_id"}
    prediction = Prediction(name=body.output_table, where=Where(file=PLACES["prediction"]), **fields)
    scope = _scope(declarations, lakehouse, prediction.input_table)
    source = _table(scope, prediction.input_table)
    for column in prediction.entity_columns:
        _need(scope, source, column)
    _need(scope, source, prediction.event_timestamp_column, "timestamp")
    for name in prediction.feature_views:
        _need_view(scope, name)
    model = declarations.model(VERSION.sub("", prediction.model_name)).model
    if prediction.name not in {one.name for one in declarations.predictions}:
        used = [model, *named_views(declarations, prediction.feature_views)]
        refuse_deprecated(used, f"Prediction table '{prediction.name}'")
    if prediction.table in scope.gold:
        raise Conflict(
            f"'{prediction.table}' is a gold table: choose another `output_table`.", field="output_table"
        )
    document = Document(PLACES["prediction"], fields, {})
    _told(list(check_prediction(document, prediction, declarations.models, [], scope)))
    return prediction.model_copy(update={"input_table": source})


def _fields(body: ModelBody | PredictionBody) -> dict[str, Any]:
    return {name: getattr(body, name) for name in type(body).model_fields}


def _scope(declarations: Declarations, lakehouse: Lakehouse, source: str) -> Scope:
    """All that is declared, and of the source's table the columns that it really has."""
    schema = lakehouse.settings.gold_schema
    scope = Scope(
        schema=schema,
        gold=dict(declarations.gold_by_table),
        entities={entity.name: entity for entity in declarations.entities},
        views={view.name: view for view in declarations.views},
        on_demand={view.name: view for view in declarations.on_demand_views},
        services={service.name: service for service in declarations.services},
    )
    written = {prediction.table: prediction.name for prediction in declarations.predictions}
    for table in {
        qualified(source, schema),
        *(view.table for view in declarations.views if view.name == source),
    }:
        if table in written:
            raise Invalid(
                f"'{table}' is written by predictions/{written[table]}: what is predicted is nothing "
                "to learn from or to score.",
                table=table,
            )
        if lakehouse.exists(table):
            found = lakehouse.schema(lakehouse.pin(table))
            columns = {field.name: _declared(declared_type(field.type)) for field in found}
            known = scope.gold.get(table) or implicit(table)
            scope.gold[table] = known.model_copy(update={"columns": columns})
    return scope


def _declared(found: str) -> str:
    """A date is read as a timestamp: its midnight."""
    return "timestamp" if found == "date" else found


def _table(scope: Scope, name: str) -> str:
    """Raises TableNotFound, with the views that it could name too."""
    try:
        return scope.table(name)
    except UnresolvedError:
        raise TableNotFound(name, [*scope.gold, *scope.views]) from None


def _need(scope: Scope, table: str, column: str, dtype: str | None = None) -> None:
    """Raises ColumnNotFound."""
    known = scope.columns(table)
    if known is not None and column not in known:
        sql = added_column(table, column, dtype) if dtype else None
        raise ColumnNotFound(column, known, table=table, sql=sql)


def _need_view(scope: Scope, name: str) -> None:
    """Raises FeatureViewNotFound."""
    if name not in scope.views and name not in scope.on_demand:
        raise FeatureViewNotFound(name, [*scope.views, *scope.on_demand])


def _need_features(scope: Scope, model: Model) -> None:
    if model.feature_service and model.feature_service not in scope.services:
        raise DeclarationNotFound(
            f"Feature service '{model.feature_service}' not found."
            f"{did_you_mean(model.feature_service, scope.services)}",
            feature_service=model.feature_service,
            available_services=sorted(scope.services),
        )
    for name in [*(model.feature_views or []), *(one.split(":", 1)[0] for one in model.features or [])]:
        _need_view(scope, name)


def _path(field: Sequence[str | int]) -> str:
    return ".".join(map(str, field))


def _told(problems: Sequence[Problem]) -> None:
    """Raises Invalid, unless there are none."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Invalid(
            f"{problems[0].message}{more}",
            problems=[{"field": one.field, "message": one.message} for one in problems],
        )
