"""`asgard plan online/VIEW` and `asgard materialize VIEW`: first what it takes, then that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.visits import visits_repo

Asgard = Callable[..., tuple[int, str, str]]
AsgardJson = Callable[..., tuple[int, Any]]


@pytest.fixture
def visits(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """Three visitors of the first of March."""
    init(tmp_path / "shop", empty=True)
    (tmp_path / "shop" / "repo.py").write_text(visits_repo("INT64"))
    monkeypatch.setenv("ASGARD_REPO", str(tmp_path / "shop"))
    lakehouse = Lakehouse(Settings.read())
    land(lakehouse, datetime(2026, 3, 1), 1, 2, 3)
    return lakehouse


def land(lakehouse: Lakehouse, at: datetime, *visitors: int) -> None:
    times = pa.array([at] * len(visitors), pa.timestamp("us"))
    rows = {"visitor_id": list(visitors), "pages": [7] * len(visitors), "at": times}
    lakehouse.append("gold.visits", pa.table(rows), key=f"{at}")


def test_what_was_planned_is_done_and_then_there_is_nothing_to_do(
    visits: Lakehouse, asgard_json: AsgardJson, asgard: Asgard
) -> None:
    code, planned = asgard_json("plan", "online/visits")
    assert code == 0
    assert (planned["kind"], planned["files"], planned["rows"], planned["keys_at_most"]) == ("whole", 1, 3, 3)
    assert planned["bytes"] > 0
    code, done = asgard_json("materialize", "visits")
    assert (code, done["succeeded"]) == (0, True)
    land(visits, datetime(2026, 3, 2), 3, 9)
    _, planned = asgard_json("plan", "online/visits")
    assert (planned["kind"], planned["files"], planned["rows"]) == ("difference", 1, 2)
    code, out, _ = asgard("plan", "online/visits")
    assert code == 0
    assert "asgard materialize visits" in out
    assert "at most 2" in out
    assert asgard("materialize", "visits")[0] == 0
    _, out, _ = asgard("plan", "online/visits")
    assert "Nothing is to be done" in out


def test_rows_of_a_span_of_time_can_be_planned_and_brought(
    visits: Lakehouse, asgard_json: AsgardJson, asgard: Asgard
) -> None:
    span = ("--start", "2026-02-28", "--end", "2026-03-01T12:00:00")
    code, planned = asgard_json("plan", "online/visits", *span)
    assert (code, planned["kind"], planned["rows"]) == (0, "window", 3)
    assert asgard("materialize", "visits", *span)[0] == 0
    code, _, err = asgard("materialize", "visits", "--start", "2026-01-01", "--end", "2026-01-02")
    assert code == 1
    assert "No data found in source" in err


def test_what_cannot_be_is_refused(visits: Lakehouse, asgard: Asgard) -> None:
    code, _, err = asgard("plan", "online/visit")
    assert code == 2
    assert "Did you mean 'visits'?" in err
    code, _, err = asgard("plan", "online/UNKNOWN_VIEW")
    assert code == 2
    assert "There are: " in err
    assert "visits" in err
    code, _, err = asgard("materialize", "visit")
    assert code == 2
    assert "Did you mean 'visits'?" in err
    code, _, err = asgard("materialize", "visits", "--start", "2026-01-01")
    assert code == 2
    assert "belong together" in err


def test_a_view_of_which_nothing_is_stored_says_so_to_who_would_plan_it(
    visits: Lakehouse, asgard: Asgard, tmp_path: Path
) -> None:
    repo = tmp_path / "shop" / "repo.py"
    repo.write_text(repo.read_text() + _MORE_VIEWS)
    code, _, err = asgard("plan", "online/pages_twice")
    assert code == 2
    assert "computed on demand, from visits" in err
    code, _, err = asgard("plan", "online/asleep")
    assert code == 2
    assert "'asleep' is not online: declare it `online`" in err


_MORE_VIEWS = """
import pandas as pd
from feast.on_demand_feature_view import on_demand_feature_view


@on_demand_feature_view(sources=[visits], schema=[Field(name="twice", dtype=Int64)])
def pages_twice(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["pages"] * 2})


asleep = FeatureView(
    name="asleep",
    entities=[visitor],
    schema=[Field(name="pages", dtype=Int64)],
    source=gold("visits", timestamp_field="at", name="asleep_visits"),
    online=False,
)
"""
