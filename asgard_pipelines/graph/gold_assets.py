"""Gold tables in the graph: the external ones are watched, the declared ones are built."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from asgard_pipelines.declarations import Declarations, GoldTable, fingerprint
from asgard_pipelines.graph.clocks import Clock, clock_watermark, clocks
from asgard_pipelines.graph.failures import telling
from asgard_pipelines.graph.groups import group_of
from asgard_pipelines.graph.house import House, PinnedRun
from asgard_pipelines.graph.keys import gold_key, table_keys
from asgard_pipelines.graph.metadata import column_lineage, read_from, table_metadata, version_of
from asgard_pipelines.graph.table_checks import check_specs, check_table


def gold_specs(declarations: Declarations) -> list[dg.AssetSpec]:
    """One spec per external table."""
    clock_of = clocks(declarations)
    return [
        dg.AssetSpec(
            gold_key(table),
            description=_described(table),
            group_name=group_of(table, "gold"),
            kinds={"iceberg", "external"},
            owners=[table.owner] if table.owner else [],
            tags=table.tags,
            partitions_def=clock_of[table.table].partitions if table.table in clock_of else None,
            metadata={"dagster/table_name": f"iceberg.{table.table}"},
        )
        for table in declarations.gold
        if table.external and not table.about_asgard
    ]


def gold_assets(declarations: Declarations) -> list[dg.AssetsDefinition]:
    """One asset per table that Asgard builds."""
    clock_of = clocks(declarations)
    keys = table_keys(declarations)
    return [
        _built_table(table, declarations, clock_of, keys) for table in declarations.gold if not table.external
    ]


def _built_table(
    table: GoldTable,
    declarations: Declarations,
    clock_of: Mapping[str, Clock],
    keys: Mapping[str, dg.AssetKey],
) -> dg.AssetsDefinition:
    clock = clock_of.get(table.table)

    @dg.asset(
        key=gold_key(table),
        description=_described(table),
        group_name=group_of(table, "gold"),
        kinds={"iceberg", "sql"},
        owners=[table.owner] if table.owner else None,
        tags=table.tags,
        code_version=fingerprint(table),
        partitions_def=clock.partitions if clock else None,
        backfill_policy=dg.BackfillPolicy.single_run() if clock else None,
        deps=[_dependency(table, source, clock_of, keys) for source in table.reads if source in keys],
        pool=f"gold_{table.name}",
        check_specs=check_specs(table),
    )
    @telling
    def build_table(
        context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from asgard_pipelines.lakehouse import build
        from asgard_pipelines.lakehouse import column_lineage as lineage_of

        run = house.run(context.run)
        sources = run.pins(table.reads)
        watermark = None
        if clock:
            watermark = clock_watermark(clock, watermarks(run, declarations, clock.roots))
        built = build(
            run.lakehouse,
            table,
            sources=sources,
            watermark=watermark,
            partitions=_own_keys(table, context.partition_keys) if clock else None,
        )
        run.wrote(built.pin)
        schemas = {t: run.lakehouse.state(t).columns for t in sources}
        return dg.MaterializeResult(
            data_version=version_of(built.pin),
            check_results=check_table(run.lakehouse, table, built.pin),
            metadata=table_metadata(run.lakehouse, built.pin)
            | {
                "dagster/column_lineage": column_lineage(lineage_of(table.sql or "", schemas), keys),
                "asgard/read": read_from({t: p.snapshot_id for t, p in sources.items()}),
                "asgard/changed_partitions": ", ".join(built.changed) or "none: the rows are as they were",
                **({"asgard/watermark": watermark.isoformat()} if watermark else {}),
            },
        )

    return build_table


def _own_keys(table: GoldTable, keys: Sequence[str]) -> list[str]:
    """A clock starts with its first table: a run's range may begin before this one does."""
    return [key for key in keys if key >= (table.start or "")]


def watermarks(
    run: PinnedRun, declarations: Declarations, roots: tuple[str, ...]
) -> dict[str, datetime | None]:
    """The watermark of each external table, at the snapshot that the run has pinned."""
    from asgard_pipelines.lakehouse import watermark

    return {root: watermark(run.lakehouse, declarations.gold_by_table[root], run.pin(root)) for root in roots}


def _dependency(
    table: GoldTable, source: str, clock_of: Mapping[str, Clock], keys: Mapping[str, dg.AssetKey]
) -> dg.AssetDep:
    """Same clock, same partition: a landing makes only the partitions that it reaches stale."""
    same = table.table in clock_of and clock_of.get(source) == clock_of[table.table]
    return dg.AssetDep(keys[source], partition_mapping=dg.IdentityPartitionMapping() if same else None)


def _described(table: GoldTable) -> str:
    lines = [table.description.strip()]
    if table.partition:
        lines.append(
            f"Partition K ({table.partition}) is the state at K's first instant: "
            "what is known once the sources are complete up to it."
        )
    if table.external:
        lines.append("Written by others; Asgard watches its snapshots.")
    elif table.sql:
        lines.append(f"```sql\n{table.sql.strip()}\n```")
    return "\n\n".join(line for line in lines if line)
