"""Document 003: its materialization, as printed, in a whole running house, on each online store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines_tests.empty_project import empty_project
from asgard_pipelines_tests.originals.running import http, printed
from asgard_pipelines_tests.serving import House, send, served, until
from asgard_pipelines_tests.stack.online_stores import KINDS, kinds

VIEWS = ["customer_features", "transaction_features"]


@pytest.fixture(scope="module", params=kinds(pytest.mark.served))
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The two views over tables with one row in June 2024, and one before."""
    folder = tmp_path_factory.mktemp("of_003")
    with (
        KINDS[request.param](folder) as kind,
        empty_project(folder, name="ai_etl", ASGARD_ONLINE_STORE=kind.url) as settings,
    ):
        times = pa.array([datetime(2024, 6, 15), datetime(2024, 5, 1)], pa.timestamp("us"))
        for name in VIEWS:
            rows = {"customer_id": ["in", "before"], "age": [34, 28], "event_timestamp": times}
            Lakehouse(settings).append(f"gold.{name}", pa.table(rows), key="first")
        with served(SimpleNamespace(settings=settings)) as running:
            for name in VIEWS:
                answer = send(running.api, "POST", "/feast/features", _view(name))
                assert answer is not None
                assert answer[0] == 201
            yield running


def _view(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "entities": ["customer"],
        "features": [{"name": "age", "dtype": "int64"}],
        "source": {"table_name": name, "timestamp_field": "event_timestamp"},
        "ttl_seconds": 0,
        "online": True,
    }


@pytest.mark.timeout(600)
def test_003_materializes_in_a_run(house: House) -> None:
    method, path, _, body = http("003", "Materialize Features, http 1")
    answer = send(house.api, method, path, _json(body))
    told = printed("003", "Materialize Features, json 1")
    assert answer is not None
    assert answer[0] == 202, answer
    asked = answer[1]
    assert asked.keys() >= told.keys()
    for field in ("status", "feature_views", "time_range"):
        assert asked[field] == told[field]
    assert 2 <= asked["estimated_rows"] <= 4
    assert asked["estimated_duration_seconds"] >= 1
    method, path, _, _ = http(
        "003", "Check Materialization Status, http 1", materialization_id=asked["materialization_id"]
    )
    assert path == asked["progress_url"]

    def progress() -> dict[str, Any]:
        found = send(house.api, method, path)
        assert found is not None
        assert found[0] == 200, found
        shown: dict[str, Any] = found[1]
        return shown

    until(lambda: progress()["status"] not in ("queued", "in_progress"), 300, progress)
    shown, told = progress(), printed("003", "Check Materialization Status, json 1")
    assert shown.keys() >= told.keys()
    assert (shown["status"], shown["errors"], shown["rows_materialized"]) == ("completed", [], 2)
    assert shown["completed_at"] is not None
    # The row before the window is there too, once the sensor has found the new view.
    asked_for = {"entities": {"customer_id": ["in"]}, "features": ["customer:age"]}
    read = send(house.api, "POST", "/api/v1/features/online-features", asked_for)
    assert read is not None
    assert read[1]["features"] == {"in": {"age": 34}}


def test_003_a_materialization_that_cannot_be_is_told(house: House) -> None:
    route = "/api/v1/features/materialize"
    body = {"feature_views": VIEWS}
    dates = {"start_date": "2024-06-01T00:00:00Z", "end_date": "2024-05-01T00:00:00Z"}
    for fields, status, told in (
        ({"project": "theirs"}, 404, "There is no project 'theirs'"),
        ({"feature_views": ["custmer_features"]}, 404, "Did you mean 'customer_features'"),
        ({"start_date": "2024-06-01T00:00:00Z"}, 400, "both"),
        (dates, 400, "before `start_date`"),
        ({"feature_views": []}, 400, "feature_views"),
    ):
        answer = send(house.api, "POST", route, body | fields)
        assert answer is not None
        assert (answer[0], told in answer[1]["error"]["message"]) == (status, True), answer
    missing = send(house.api, "GET", "/api/v1/features/materialization-status/mat_nothing")
    assert missing is not None
    assert missing[0] == 404


def _json(body: bytes | None) -> Any:
    import json

    return json.loads(body or b"null")
