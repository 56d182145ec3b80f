"""The original documents' data requirements as asset checks: contract, coverage, label distribution."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlglot import exp

from asgard_pipelines.declarations import Declarations, GoldTable
from asgard_pipelines.graph.house import House
from asgard_pipelines.graph.keys import gold_key

if TYPE_CHECKING:
    from asgard_pipelines.lakehouse import Lakehouse, Pin

LOW_COVERAGE = 0.5
"""Below this share of rows found, a view's features are mostly nulls: worth a warning."""

DESCRIPTIONS = {
    "contract": "Entity, timestamp, label and declared columns are there, with their types.",
    "coverage": "The table has rows, and every one says whom it is about and when.",
    "label_distribution": "The label takes more than one value, and is known.",
}


def check_names(table: GoldTable) -> list[str]:
    return ["contract", "coverage", *(["label_distribution"] if table.label else [])]


def check_specs(table: GoldTable) -> list[dg.AssetCheckSpec]:
    """Specs for the checks that the asset of `table` reports itself; a broken contract blocks."""
    return [
        dg.AssetCheckSpec(
            name, asset=gold_key(table), description=DESCRIPTIONS[name], blocking=name == "contract"
        )
        for name in check_names(table)
    ]


def check_table(lakehouse: "Lakehouse", table: GoldTable, pin: "Pin") -> list[dg.AssetCheckResult]:
    """The results for `table` at `pin`."""
    contract = _contract(lakehouse, table, pin)
    if not contract.passed:
        return [contract, *(_unknown(table, name) for name in check_names(table)[1:])]
    results = [contract, _coverage(lakehouse, table, pin)]
    if table.label:
        results.append(label_distribution(gold_key(table), _labels(lakehouse, table.label, pin)))
    return results


def external_checks(declarations: Declarations) -> list[dg.AssetChecksDefinition]:
    """Checks of external tables, to be run from the UI; every landing is also checked when seen."""
    return [_external(table) for table in declarations.gold if table.external]


def evaluate_external(lakehouse: "Lakehouse", table: GoldTable, pin: "Pin") -> list[dg.AssetCheckEvaluation]:
    """The checks of a landing, as events that belong to no run."""
    return [
        dg.AssetCheckEvaluation(
            asset_key=gold_key(table),
            check_name=result.check_name or "",
            passed=result.passed,
            metadata=dict(result.metadata or {}),
            severity=result.severity,
            description=result.description,
        )
        for result in check_table(lakehouse, table, pin)
    ]


def label_distribution(key: dg.AssetKey, counts: Mapping[Any, int]) -> dg.AssetCheckResult:
    """Judges label value -> rows. A numeric label of many values is a regression's: not counted out."""
    total = sum(counts.values())
    shares = {str(value): count / total for value, count in counts.items()} if total else {}
    shown = sorted(shares.items(), key=lambda item: -item[1])[:20]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="label_distribution",
        passed=len(shares) > 1,
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(f"{value} {share:.1%}" for value, share in shown[:5]) or "no labels",
        metadata={
            "asgard/labels": dg.TableMetadataValue(
                records=[
                    dg.TableRecord(
                        {"label": value, "share": round(share, 5), "rows": int(share * total + 0.5)}
                    )
                    for value, share in shown
                ],
                schema=dg.TableSchema(
                    [
                        dg.TableColumn("label"),
                        dg.TableColumn("share", "float"),
                        dg.TableColumn("rows", "int"),
                    ]
                ),
            )
        },
    )


def coverage_of_views(key: dg.AssetKey, coverage: Mapping[str, float]) -> dg.AssetCheckResult:
    """Judges view -> share of rows for which a feature row was found within its TTL."""
    poor = {view: share for view, share in coverage.items() if share < LOW_COVERAGE}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="coverage",
        passed=not poor,
        severity=dg.AssetCheckSeverity.WARN,
        description=", ".join(f"{view} {share:.1%}" for view, share in coverage.items()),
        metadata={f"asgard/{view}": share for view, share in coverage.items()},
    )


def _external(table: GoldTable) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{table.name}",
        specs=[
            dg.AssetCheckSpec(name, asset=gold_key(table), description=DESCRIPTIONS[name])
            for name in check_names(table)
        ],
    )
    def check(context: dg.AssetCheckExecutionContext, house: dg.ResourceParam[House]) -> Any:
        run = house.run(context.run)
        yield from check_table(run.lakehouse, table, run.pin(table.table))

    return check


def _contract(lakehouse: "Lakehouse", table: GoldTable, pin: "Pin") -> dg.AssetCheckResult:
    from asgard_pipelines.lakehouse import contract_problems

    problems = contract_problems(lakehouse, table, pin)
    return dg.AssetCheckResult(
        asset_key=gold_key(table),
        check_name="contract",
        passed=not problems,
        description="; ".join(problems) or f"{len(lakehouse.schema(pin).names)} columns as declared",
    )


def _coverage(lakehouse: "Lakehouse", table: GoldTable, pin: "Pin") -> dg.AssetCheckResult:
    from asgard_pipelines.lakehouse import run_sql

    wanted: dict[str, exp.Expression] = {"rows": exp.Count(this=exp.Star())}
    if table.timestamp:
        time = exp.column(table.timestamp, quoted=True)
        wanted |= {
            "earliest": exp.Min(this=time),
            "latest": exp.Max(this=time),
            "timed": exp.Count(this=time),
        }
    for column in table.entity:
        entity = exp.column(column, quoted=True)
        distinct = exp.Count(this=exp.Distinct(expressions=[entity.copy()]))
        wanted |= {f"distinct {column}": distinct, f"known {column}": exp.Count(this=entity)}
    query = exp.select(*(exp.alias_(e, name, quoted=True) for name, e in wanted.items())).from_(
        exp.to_table(pin.table)
    )
    found = run_sql(lakehouse, query.sql("trino"), pins={pin.table: pin}).table.to_pylist()[0]
    rows = found["rows"]
    unknown = sum(rows - found[name] for name in wanted if name == "timed" or name.startswith("known "))
    may_be_empty = table.about_asgard  # in a new house nothing has run yet
    return dg.AssetCheckResult(
        asset_key=gold_key(table),
        check_name="coverage",
        passed=(rows > 0 or may_be_empty) and unknown == 0,
        description=_covered(found, rows, unknown),
        metadata={
            f"asgard/{name.replace(' ', '_')}": value if isinstance(value, int) else str(value)
            for name, value in found.items()
        },
    )


def _covered(found: Mapping[str, Any], rows: int, unknown: int) -> str:
    text = f"{rows:,} rows"
    if found.get("earliest"):
        text += f" from {found['earliest']:%Y-%m-%d} to {found['latest']:%Y-%m-%d}"
    return text + (f"; {unknown:,} missing entities or times" if unknown else "")


def _labels(lakehouse: "Lakehouse", label: str, pin: "Pin") -> dict[Any, int]:
    from asgard_pipelines.lakehouse import run_sql

    column = exp.column(label, quoted=True)
    query = (
        exp.select(exp.alias_(column, "label"), exp.alias_(exp.Count(this=exp.Star()), "rows"))
        .from_(exp.to_table(pin.table))
        .where(column.copy().is_(exp.null()).not_())
        .group_by(column.copy())
    )
    found = run_sql(lakehouse, query.sql("trino"), pins={pin.table: pin}).table
    return dict(zip(found["label"].to_pylist(), found["rows"].to_pylist(), strict=True))


def _unknown(table: GoldTable, name: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=gold_key(table),
        check_name=name,
        passed=False,
        description="not judged: the contract is broken",
    )
