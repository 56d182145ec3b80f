"""Generated cases over Iceberg tables, each pinned in the middle of a history of its own."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from asgard_pipelines.features.point_in_time.engine import Engine
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines_tests.contracts.cases import Case, cases
from asgard_pipelines_tests.contracts.conformity import assert_conforms
from asgard_pipelines_tests.contracts.tables import History, grown, histories


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(most_feeds=1), history=histories)
def test_a_pinned_table_gives_what_it_held_then(
    engine: Engine, lakehouse: Lakehouse, case: Case, history: History
) -> None:
    pin, feed = grown(lakehouse, case.feeds[0], history)
    assert_conforms(engine, replace(case, feeds=[feed]), [lakehouse.source(pin)])
