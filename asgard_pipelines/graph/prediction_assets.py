"""Prediction tables in the graph: scored by the version that the run elected."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from asgard_pipelines.declarations import Declarations, Prediction, fingerprint
from asgard_pipelines.errors import ModelNotFound
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House, PinnedRun
from asgard_pipelines.graph.keys import feature_key, model_key, prediction_key, table_keys, view_keys
from asgard_pipelines.graph.metadata import column_lineage, figures, read_from, table_metadata, version_of
from asgard_pipelines.graph.row_progress import RowProgress
from asgard_pipelines.graph.run_history import PREDICTION_ID_TAG
from asgard_pipelines.graph.table_checks import coverage_of_views
from asgard_pipelines.training import Election

if TYPE_CHECKING:
    from asgard_pipelines.models import ModelVersion


def prediction_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    return [_prediction(prediction, declarations) for prediction in declarations.predictions]


def follows_champion(declarations: Declarations, prediction: Prediction) -> bool:
    """True if the prediction names a declared model, so that an election decides the version."""
    return prediction.model_id in {resolved.model.name for resolved in declarations.models}


def _prediction(prediction: Prediction, declarations: Declarations) -> dg.AssetsDefinition:
    keys = table_keys(declarations)
    views = [view for view in declarations.all_views if view.name in prediction.feature_views]
    input_table = prediction.input_table
    tables = sorted({input_table, *view_tables(declarations, prediction.feature_views)})
    elected = follows_champion(declarations, prediction)
    ins: dict[str, Any] = {}
    if elected:
        model = declarations.model(prediction.model_id).model
        ins["election"] = dg.AssetIn(model_key(model), input_manager_key="handoff", dagster_type=Election)

    @dg.asset(
        key=prediction_key(prediction),
        description=(prediction.description or f"Rows of `{prediction.input_table}`, scored.")
        + f"\n\nModel: `{prediction.model_id}`. Table: `{prediction.table}`.",
        group_name=group_of(prediction, "predictions"),
        kinds={"iceberg", "predictions"},
        owners=[prediction.owner] if prediction.owner else None,
        tags=prediction.tags,
        code_version=fingerprint(prediction),
        ins=ins,
        deps=[*([keys[input_table]] if input_table in keys else []), *[feature_key(view) for view in views]],
        pool=f"prediction_{prediction.name}",
        check_specs=[
            dg.AssetCheckSpec(
                "coverage",
                asset=prediction_key(prediction),
                description="Features were found within their TTL.",
            )
        ],
    )
    @telling
    def score(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House], **upstream: Election
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from asgard_pipelines.predictions import publish

        run = house.run(context.run)
        version = upstream["election"].elected if elected else _named(run, prediction)
        published, pin = publish(
            run.settings,
            run.lakehouse,
            declarations,
            prediction,
            version,
            run.pins(tables),
            prediction_id=_asked_id(context.run),
            progress=RowProgress(context, house.on_rows),
        )
        run.wrote(pin)
        own = [*prediction.entity_columns, prediction.event_timestamp_column]
        made_from = {column: [(input_table, column)] for column in own}
        made_from[prediction.prediction_column_name] = [
            (view.name, feature.name)
            for view in views
            for feature in view.features
            if feature.name in published.inputs
        ]
        return dg.MaterializeResult(
            data_version=version_of(pin),
            check_results=[coverage_of_views(prediction_key(prediction), published.feature_coverage)],
            metadata=table_metadata(run.lakehouse, pin)
            | {
                "dagster/column_lineage": column_lineage(made_from, keys | view_keys(declarations)),
                "asgard/model_version": published.model_version,
                "asgard/model_id": published.model_id,
                "asgard/prediction_id": published.prediction_id,
                "asgard/predicted_rows": published.rows,
                "asgard/instants": ", ".join(i.isoformat() for i in published.instants or []) or "all rows",
                "asgard/coverage": figures(published.feature_coverage, "view", "share of rows found"),
                "asgard/read": read_from(published.sources),
            },
        )

    return score


def _asked_id(run: dg.DagsterRun) -> str | None:
    """The id that was asked for. Who runs it again, from Dagster's page, asks for another prediction."""
    return None if run.parent_run_id else run.tags.get(PREDICTION_ID_TAG)


def view_tables(declarations: Declarations, names: list[str]) -> set[str]:
    """The tables that the named views, on-demand ones included, stand on."""
    plain = set(names) & {view.name for view in declarations.views}
    for view in declarations.on_demand_views:
        if view.name in names:
            plain |= set(view.sources)
    return {view.table for view in declarations.views if view.name in plain}


def _named(run: PinnedRun, prediction: Prediction) -> "ModelVersion":
    from asgard_pipelines.models import ModelRegistry

    version = ModelRegistry(run.settings).find(prediction.model_id)
    if version is None:
        raise ModelNotFound(f"'{prediction.model_id}', which '{prediction.name}' names, is not registered.")
    return version
