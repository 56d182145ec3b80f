"""What a person sees in Dagster's UI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asgard_pipelines.graph import definitions, reconcile
from asgard_pipelines_tests.serving import served
from asgard_pipelines_tests.ui.lineage_page import read_lineage_page


@pytest.mark.timeout(300)
def test_the_lineage_page_shows_every_asset_materialized_and_nothing_warns(shop: Any, tmp_path: Path) -> None:
    assert [outcome.succeeded for outcome in reconcile(shop.settings, shop.declarations)] == [True]
    with served(shop) as house:
        page = read_lineage_page(house.dagster, tmp_path / "lineage.png")
    graph = definitions(shop.declarations).resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    for key in keys:
        assert key.path[-1] in page.text
    assert page.warnings == []
    for word in ("Never materialized", "Failed", "Unsynced", "Missing", "Error"):
        assert word not in page.text
    partitioned = [key for key in keys if graph.get(key).partitions_def]
    days = [key for key in partitioned if key.path[0] == "online_days"]  # done when somebody asks for some
    assert page.text.count("100% filled") == len(partitioned) - len(days)
    assert page.text.count("\n0% filled") == len(days)
    assert page.text.count("Materialized") == len(keys) - len(partitioned)
    assert (tmp_path / "lineage.png").stat().st_size > 50_000
