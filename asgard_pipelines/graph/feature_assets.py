"""Feature views in the graph: `features/<view>` pins its table."""

from collections.abc import Mapping

import dagster as dg

from asgard_pipelines.declarations import Declarations, FeatureView, OnDemandView, fingerprint
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.keys import feature_key, table_keys
from asgard_pipelines.graph.metadata import column_lineage, table_metadata, version_of


def feature_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    """One asset per feature view, and one per on-demand view."""
    keys = table_keys(declarations)
    views = [_view(view, keys) for view in declarations.views]
    return views + [_on_demand_view(view, declarations) for view in declarations.on_demand_views]


def _view(view: FeatureView, keys: Mapping[str, dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=feature_key(view),
        description=_described(view),
        group_name=group_of(view, "features"),
        kinds={"feast", "iceberg"},
        deps=[keys[view.table]] if view.table in keys else [],
        owners=[view.owner] if view.owner else None,
        tags=view.shown_tags,
        code_version=fingerprint(view),
    )
    @telling
    def pin_view(context: dg.AssetExecutionContext, house: dg.ResourceParam[House]) -> dg.MaterializeResult:  # type: ignore[type-arg]
        run = house.run(context.run)
        pin = run.pin(view.table)
        columns = {feature.name: [(view.table, feature.column)] for feature in view.features}
        columns |= {key: [(view.table, column)] for key, column in view.join_keys.items()}
        return dg.MaterializeResult(
            data_version=version_of(pin),
            metadata=table_metadata(run.lakehouse, pin)
            | {
                "dagster/column_schema": feature_schema(view),
                "dagster/column_lineage": column_lineage(columns, keys),
                "asgard/ttl": str(view.ttl) if view.ttl else "never expires",
            },
        )

    return pin_view


def _on_demand_view(view: OnDemandView, declarations: Declarations) -> dg.AssetsDefinition:
    sources = [source for source in declarations.views if source.name in view.sources]

    @dg.asset(
        key=feature_key(view),
        description=(view.description or f"Features of `{view.name}`") + "\n\nComputed when it is read.",
        group_name=group_of(view, "features"),
        kinds={"feast", "python"},
        deps=[feature_key(source) for source in sources],
        owners=[view.owner] if view.owner else None,
        tags=view.shown_tags,
        code_version=fingerprint(view),
    )
    @telling
    def pin_sources(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        run = house.run(context.run)
        pins = run.pins(sorted({source.table for source in sources}))
        return dg.MaterializeResult(
            data_version=dg.DataVersion("+".join(str(pin.snapshot_id) for pin in pins.values())),
            metadata={
                "dagster/column_schema": feature_schema(view),
                "asgard/function": view.fingerprint[:16],
            },
        )

    return pin_sources


def feature_schema(view: FeatureView | OnDemandView) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(f.name, f.dtype, f.description or None) for f in view.features])


def _described(view: FeatureView) -> str:
    head = view.description or f"Features of `{view.table}`"
    return f"{head}\n\nEntity: {', '.join(view.entities) or 'none'}. Event time: `{view.timestamp}`."
