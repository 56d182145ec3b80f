"""Models in the graph: a training set, a version per candidate, and the election among them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from asgard_pipelines.declarations import Candidate, Declarations, ResolvedModel, fingerprint
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House, PinnedRun
from asgard_pipelines.graph.keys import (
    candidate_key,
    feature_key,
    model_key,
    table_keys,
    training_set_key,
    view_keys,
)
from asgard_pipelines.graph.metadata import (
    column_lineage,
    figures,
    picture,
    read_from,
    table_metadata,
    version_of,
)
from asgard_pipelines.graph.table_checks import DESCRIPTIONS, coverage_of_views, label_distribution
from asgard_pipelines.models import ModelVersion
from asgard_pipelines.state import Decision, ElectionRecord, record_decision, record_election
from asgard_pipelines.training import Election, TrainingSet

FRAMEWORK_KINDS = {"sklearn": "scikitlearn", "xgboost": "xgboost", "lightgbm": "lightgbm"}
"""Framework -> the kind for which Dagster's UI has an icon."""


def model_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    """For each model its training set, its candidates and its election."""
    assets: list[dg.AssetsDefinition] = []
    for resolved in declarations.models:
        assets.append(_training_set(resolved, declarations))
        assets += [_candidate(declarations, resolved, one) for one in resolved.model.all_candidates]
        assets.append(_election(resolved))
    return assets


def _training_set(resolved: ResolvedModel, declarations: Declarations) -> dg.AssetsDefinition:
    model = resolved.model
    keys = table_keys(declarations)
    named = {*resolved.views, *resolved.on_demand_views}
    deps = [feature_key(view) for view in declarations.all_views if view.name in named]
    if resolved.source in keys:
        deps.append(keys[resolved.source])

    @dg.asset(
        key=training_set_key(model),
        description=f"The rows `{model.name}` learns from: label `{model.training_data.label_column}`, "
        f"{len(resolved.features)} features as of each row's time.",
        group_name=group_of(model, "training_sets"),
        kinds={"iceberg", "training_set"},
        owners=[model.owner] if model.owner else None,
        tags=model.shown_tags,
        code_version=fingerprint(resolved),
        deps=deps,
        io_manager_key="handoff",
        pool=f"model_{model.name}",
        check_specs=_training_set_checks(resolved),
    )
    @telling
    def assemble(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
    ) -> Iterator[
        dg.MaterializeResult[TrainingSet]
    ]:  # Dagster takes a value and checks from a generator only
        from asgard_pipelines.lakehouse import Pin
        from asgard_pipelines.training import build_training_set

        run = house.run(context.run)
        pins = run.pins(resolved.tables)
        training_set = build_training_set(
            run.settings, run.lakehouse, declarations, resolved, pins, _root_snapshots(run, resolved)
        )
        pin = Pin(training_set.table, training_set.snapshot_id)
        yield dg.MaterializeResult(
            value=training_set,
            data_version=version_of(pin),
            check_results=_judged(resolved, training_set),
            metadata=table_metadata(run.lakehouse, pin)
            | {
                "dagster/column_lineage": column_lineage(_columns(resolved), keys | view_keys(declarations)),
                "asgard/read": read_from(training_set.sources),
                "asgard/roots": read_from(training_set.roots),
                "asgard/rows": figures(
                    {
                        "train": training_set.train_rows,
                        "gap": training_set.gap_rows,
                        "test": training_set.test_rows,
                    },
                    "part",
                    "rows",
                ),
                "asgard/coverage": figures(training_set.coverage, "view", "share of rows found"),
                "asgard/content_hash": training_set.content_hash,
            },
        )

    return assemble


def _columns(resolved: ResolvedModel) -> dict[str, list[tuple[str, str]]]:
    """Column of the training set -> where it comes from: a view's feature, or the source's column."""
    data = resolved.model.training_data
    own = [*resolved.entity_columns, data.event_timestamp_column, data.label_column]
    features = {ref.feature: [(ref.view, ref.feature)] for ref in resolved.features}
    return {column: [(resolved.source, column)] for column in own} | features


def _training_set_checks(resolved: ResolvedModel) -> list[dg.AssetCheckSpec]:
    key = training_set_key(resolved.model)
    specs = [dg.AssetCheckSpec("coverage", asset=key, description="Features were found within their TTL.")]
    if resolved.model.model_type == "classification":
        specs.append(
            dg.AssetCheckSpec("label_distribution", asset=key, description=DESCRIPTIONS["label_distribution"])
        )
    return specs


def _judged(resolved: ResolvedModel, training_set: TrainingSet) -> list[dg.AssetCheckResult]:
    key = training_set_key(resolved.model)
    results = [coverage_of_views(key, training_set.coverage)]
    if resolved.model.model_type == "classification":
        results.append(label_distribution(key, training_set.label_counts))
    return results


def _root_snapshots(run: PinnedRun, resolved: ResolvedModel) -> dict[str, int]:
    pins = run.pins(resolved.roots)
    return {table: pin.snapshot_id for table, pin in pins.items() if pin.snapshot_id is not None}


def _candidate(
    declarations: Declarations, resolved: ResolvedModel, candidate: Candidate
) -> dg.AssetsDefinition:
    model = resolved.model

    @dg.asset(
        key=candidate_key(model, candidate.name),
        description=f"`{candidate.framework}` fitted to the training set of `{model.name}`.",
        group_name=group_of(model, "models"),
        kinds={FRAMEWORK_KINDS[candidate.framework], "mlflow", "candidate"},
        owners=[model.owner] if model.owner else None,
        tags=model.shown_tags,
        code_version=fingerprint(candidate),
        ins={"training_set": dg.AssetIn(training_set_key(model), input_manager_key="handoff")},
        io_manager_key="handoff",
        pool=f"model_{model.name}",
    )
    @telling
    def train(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House], training_set: TrainingSet
    ) -> dg.MaterializeResult[ModelVersion]:
        from asgard_pipelines.training import train_candidate

        run = house.run(context.run)
        trained = train_candidate(
            run.settings, run.lakehouse, declarations, resolved, candidate, training_set
        )
        version = trained.version
        return dg.MaterializeResult(
            value=version,
            data_version=dg.DataVersion(version.version),
            metadata={
                "asgard/model_version": version.version,
                "asgard/mlflow_version": version.number,
                "asgard/training_snapshot": str(training_set.snapshot_id),
                "asgard/metrics": figures(version.metrics, "metric", "value"),
                "asgard/feature_importance": figures(trained.importances, "feature", "importance"),
                **{f"asgard/{name}": picture(png, name) for name, png in trained.pictures.items()},
                **{
                    f"asgard/{name}": value
                    for name, value in version.metrics.items()
                    if name.startswith("test_")
                },
            },
        )

    return train


def _election(resolved: ResolvedModel) -> dg.AssetsDefinition:
    model = resolved.model
    names = [candidate.name for candidate in model.all_candidates]
    ins = {
        f"candidate_{name}": dg.AssetIn(
            candidate_key(model, name), input_manager_key="handoff", dagster_type=ModelVersion
        )
        for name in names
    }

    @dg.asset(
        key=model_key(model),
        description=(model.description or f"The elected version of `{model.name}`.")
        + "\n\nThe best candidate challenges the champion on the same test rows; "
        "it gets the alias only if it wins.",
        group_name=group_of(model, "models"),
        kinds={"mlflow", "champion"},
        owners=[model.owner] if model.owner else None,
        tags=model.shown_tags,
        code_version=fingerprint(resolved),
        ins=ins | {"training_set": dg.AssetIn(training_set_key(model), input_manager_key="handoff")},
        io_manager_key="handoff",
        pool=f"model_{model.name}",
    )
    @telling
    def elect_version(
        context: dg.AssetExecutionContext,
        house: dg.ResourceParam[House],
        training_set: TrainingSet,
        **versions: ModelVersion,
    ) -> dg.MaterializeResult[Election]:
        from asgard_pipelines.training import elect

        run = house.run(context.run)
        election = elect(run.settings, run.lakehouse, resolved, training_set, list(versions.values()))
        _remember(run, resolved, training_set, election)
        elected = election.elected
        return dg.MaterializeResult(
            value=election,
            data_version=dg.DataVersion(elected.version),
            metadata={
                "asgard/champion": elected.model_id,
                "asgard/candidate": elected.candidate,
                "asgard/decision": "promote" if election.promoted else "keep",
                "asgard/reason": election.reason,
                "asgard/scores": figures(election.scores, "version", election.metric),
                "asgard/training_snapshot": str(training_set.snapshot_id),
                "asgard/read": read_from(training_set.sources),
            },
        )

    return elect_version


def _remember(run: PinnedRun, resolved: ResolvedModel, training_set: TrainingSet, election: Election) -> None:
    name = resolved.model.name
    record_election(
        run.settings,
        ElectionRecord(
            at=datetime.now(UTC),
            model=name,
            version=election.elected.version,
            promoted=election.promoted,
            reason=election.reason,
            declaration=fingerprint(resolved),
            training_table=training_set.table,
            training_snapshot=training_set.snapshot_id,
            sources=training_set.sources,
            roots=training_set.roots,
            run_id=run.run_id,
        ),
    )
    record_decision(
        run.settings,
        Decision(
            subject=f"models/{name}",
            verdict="promote" if election.promoted else "keep",
            reason=election.reason,
            run_id=run.run_id,
        ),
    )
