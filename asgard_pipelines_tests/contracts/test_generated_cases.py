"""Generated cases over Parquet files: every engine gives what the definition gives."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgard_pipelines.features.point_in_time.engine import Engine
from asgard_pipelines_tests.contracts.cases import Case, cases
from asgard_pipelines_tests.contracts.conformity import assert_conforms
from asgard_pipelines_tests.contracts.parquet_files import Layout, layouts


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), files=st.tuples(layouts, layouts))
def test_every_row_gets_what_the_definition_gives(
    engine: Engine, case: Case, files: tuple[Layout, Layout]
) -> None:
    with TemporaryDirectory() as folder:
        pairs = zip(files, case.feeds, strict=False)
        sources = [layout.write(feed, Path(folder, str(n))) for n, (layout, feed) in enumerate(pairs)]
        assert_conforms(engine, case, sources)
