"""Tables over external ones that are complete up to different times: each is built once its sources are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations, GoldTable, Watermark, Where
from asgard_pipelines.graph import definitions, prepare_instance, reconcile
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.settings import Settings

HERE = Where(file="tests")
Rounds = Callable[..., list[list[str]]]


def _external(name: str) -> GoldTable:
    mark = Watermark(column="at", landed_by="day")
    return GoldTable(
        where=HERE,
        name=name,
        external=True,
        timestamp="at",
        partition="daily",
        start="2024-01-02",
        watermark=mark,
    )


def _daily(name: str, reads: str, column: str = "at", start: str = "2024-01-02") -> GoldTable:
    sql = f"""
        SELECT p.partition_start AS day, count(s.{column}) AS n
        FROM asgard.partitions AS p LEFT JOIN {reads} AS s ON s.{column} < p.partition_start
        GROUP BY p.partition_start
    """
    return GoldTable(
        where=HERE, name=name, timestamp="day", partition="daily", start=start, reads=[reads], sql=sql
    )


def _joined(name: str, one: str, other: str) -> GoldTable:
    """A day's rows of the built table `one`, with the count of all of `other`."""
    sql = f"""
        SELECT p.partition_start AS day, max(a.n) AS n, count(*) AS m
        FROM asgard.partitions AS p INNER JOIN {one} AS a ON a.day = p.partition_start CROSS JOIN {other} AS b
        GROUP BY p.partition_start
    """
    return GoldTable(
        where=HERE,
        name=name,
        timestamp="day",
        partition="daily",
        start="2024-01-02",
        reads=sorted([one, other]),
        sql=sql,
    )


def _whole(name: str, reads: str) -> GoldTable:
    return GoldTable(where=HERE, name=name, reads=[reads], sql=f"SELECT count(*) AS n FROM {reads}")


def _land(lakehouse: Lakehouse, table: str, *days: int) -> None:
    times = pa.array([datetime(2024, 1, day) for day in days], pa.timestamp("us"))
    lakehouse.append(table, pa.table({"at": times}), key=f"{table} {days}")


@pytest.fixture
def lakehouse(settings: Settings) -> Lakehouse:
    opened = Lakehouse(settings)
    _land(opened, "gold.alpha", 1, 2, 3)
    _land(opened, "gold.zeta", 1, 2, 3, 4)
    return opened


@pytest.fixture
def rounds(settings: Settings) -> Rounds:
    """Runs until nothing is due; what each run built."""
    prepare_instance(settings)

    def run(*built: GoldTable) -> list[list[str]]:
        named = {t.name: t for t in [_external("alpha"), _external("zeta"), *built]}
        outcomes = reconcile(settings, Declarations(project="p", gold=[named[n] for n in sorted(named)]))
        assert [outcome.failures for outcome in outcomes if not outcome.succeeded] == []
        return [sorted(outcome.selection) for outcome in outcomes]

    return run


def _days(lakehouse: Lakehouse, table: str) -> list[int]:
    return sorted(day.day for day in lakehouse.read_table(lakehouse.pin(table))["day"].to_pylist())


def test_what_reads_a_table_of_another_clock_is_built_after_it(lakehouse: Lakehouse, rounds: Rounds) -> None:
    """By name, the clock of alpha and zeta comes before zeta's, which it reads."""
    days, both = _daily("zeta_days", "gold.zeta"), _joined("both", "gold.zeta_days", "gold.alpha")
    assert rounds(days, both) == [["gold/zeta_days"], ["gold/both"]]
    assert _days(lakehouse, "gold.both") == [2, 3, 4]
    assert rounds(days, both) == []


def test_an_unpartitioned_table_waits_for_the_clock_that_it_reads(
    lakehouse: Lakehouse, rounds: Rounds
) -> None:
    tables = [
        _daily("alpha_days", "gold.alpha"),
        _daily("zeta_days", "gold.zeta"),
        _whole("zeta_count", "gold.zeta_days"),
    ]
    assert rounds(*tables) == [["gold/alpha_days"], ["gold/zeta_count", "gold/zeta_days"]]
    _land(lakehouse, "gold.alpha", 4)
    _land(lakehouse, "gold.zeta", 5)
    assert rounds(*tables) == [["gold/alpha_days"], ["gold/zeta_count", "gold/zeta_days"]]


def test_partitions_over_a_whole_table_are_built_after_it(lakehouse: Lakehouse, rounds: Rounds) -> None:
    """That table alone is due: nobody knows yet which partitions its new rows reach."""
    lakehouse.append("gold.codes", pa.table({"code": ["a"]}), key="first")
    codes = GoldTable(where=HERE, name="codes", external=True)
    days = _daily("alpha_days", "gold.alpha")
    tables = [codes, days, _whole("known", "gold.codes"), _joined("both", "gold.alpha_days", "gold.known")]
    rounds(*tables)
    lakehouse.append("gold.codes", pa.table({"code": ["b"]}), key="second")
    assert rounds(*tables) == [["gold/known"], ["gold/both"]]


def test_a_table_has_no_partition_before_its_own_start(lakehouse: Lakehouse, rounds: Rounds) -> None:
    rounds(_daily("alpha_days", "gold.alpha"), _daily("later", "gold.alpha", start="2024-01-04"))
    assert _days(lakehouse, "gold.alpha_days") == [2, 3, 4]
    assert _days(lakehouse, "gold.later") == [4]


def test_a_start_moved_back_builds_the_days_before(lakehouse: Lakehouse, rounds: Rounds) -> None:
    """Dagster holds keys in the order in which they were added; a run's range goes by time."""
    late = [_external("alpha").model_copy(update={"start": "2024-01-03"})]
    rounds(*late, _daily("alpha_days", "gold.alpha", start="2024-01-03"))
    rounds(_daily("alpha_days", "gold.alpha"))
    assert _days(lakehouse, "gold.alpha_days") == [2, 3, 4]


def test_a_code_server_can_load_tables_of_two_clocks(settings: Settings) -> None:
    """What one job may not have, the sensor's assets may: partitions of several kinds."""
    gold = [_external("alpha"), _external("zeta"), _daily("alpha_days", "gold.alpha")]
    gold.append(_daily("zeta_days", "gold.zeta"))
    definitions(Declarations(project="p", gold=gold)).get_repository_def().load_all_definitions()
