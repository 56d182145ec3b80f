"""`/api/v1/features/historical-features`: rows as asked, their order kept, and a file that expires."""

from __future__ import annotations

import io
import json
import math
import os
import time
from typing import Any

import pandas as pd
import pytest
from httpx import Response
from starlette.testclient import TestClient

from asgard_pipelines.api import create_app
from asgard_pipelines.api.features.downloads import KEPT_SECONDS
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.conftest import LOOPBACK

ROUTE = "/api/v1/features/historical-features"


@pytest.fixture
def declared(client: TestClient, view_body: dict[str, Any]) -> TestClient:
    body = view_body | {"ttl_seconds": 0}
    body["features"] = [*body["features"], {"name": "total_spent", "dtype": "float64"}]
    assert client.post("/feast/features", json=body).status_code == 201
    return client


def _ask(client: TestClient, frame: dict[str, Any], **fields: Any) -> Response:
    body = {"entity_df": frame, "features": ["customer:total_orders"], **fields}
    answer: Response = client.post(ROUTE, content=json.dumps(body))
    return answer


FRAME = {
    "customer_id": [2, 1, 9, 2],
    "event_timestamp": [
        "2025-03-01T00:00:00Z",
        "2025-03-01",
        "2025-03-01T01:00:00+01:00",
        "2024-01-01T00:00:00",
    ],
    "label": [True, False, None, True],
    "note": ["a", "b", "ü", None],
}


def test_rows_come_back_in_their_order_with_what_else_was_sent(declared: TestClient) -> None:
    answer = _ask(declared, FRAME)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [row["total_orders"] for row in found["data"]] == [4, 3, None, None]
    for name, values in FRAME.items():
        assert [row[name] for row in found["data"]] == values
    assert found["metadata"]["snapshots"].keys() == {"gold.customer_aggregates"}
    assert found["metadata"]["coverage"] == {"customer_features": 0.5}
    frame = pd.read_parquet(io.BytesIO(declared.get(found["download_url"]).content))
    assert frame["total_orders"].tolist()[:2] == [4, 3]
    assert frame["note"].tolist() == FRAME["note"]
    assert str(frame["event_timestamp"].dtype) == "datetime64[us, UTC]"
    assert frame["event_timestamp"].iloc[2] == frame["event_timestamp"].iloc[0]


def test_the_answer_has_the_first_thousand_rows_and_the_file_all(declared: TestClient) -> None:
    count = 2_500
    frame = {"customer_id": [1, 2] * (count // 2), "event_timestamp": ["2025-03-01T00:00:00Z"] * count}
    found = _ask(declared, frame).json()
    assert (len(found["data"]), found["metadata"]["rows_in_data"]) == (1_000, 1_000)
    assert found["metadata"]["rows_count"] == count
    whole = pd.read_parquet(io.BytesIO(declared.get(found["download_url"]).content))
    assert whole["total_orders"].tolist() == [3, 4] * (count // 2)


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({"customer_id": [1]}, "'event_timestamp' not found"),
        ({"event_timestamp": ["2025-03-01"]}, "lacks the keys of these features: customer_id"),
        ({"customer_id": [1, 2], "event_timestamp": ["2025-03-01"]}, "of one length"),
        ({"customer_id": [], "event_timestamp": []}, "one row at least"),
        ({"customer_id": ["x"], "event_timestamp": ["2025-03-01"]}, "'customer_id' is int64"),
        ({"customer_id": [2**70], "event_timestamp": ["2025-03-01"]}, "'customer_id' is int64"),
        ({"customer_id": [1], "event_timestamp": ["yesterday"]}, "no time such as"),
        ({"customer_id": [1], "event_timestamp": [5]}, "no time such as"),
        ({"customer_id": [1], "event_timestamp": ["9999-12-31T23:59:59-12:00"]}, "no time such as"),
        ({"customer_id": [1, 2], "event_timestamp": ["2025-03-01"] * 2, "x": [1, "a"]}, "of several kinds"),
        ({"customer_id": [1], "event_timestamp": ["2025-03-01"], "total_orders": [1]}, "would be called"),
    ],
)
def test_what_is_no_frame_is_told(declared: TestClient, frame: dict[str, Any], told: str) -> None:
    answer = _ask(declared, frame)
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["error"]["message"]


def test_an_entity_may_be_called_by_its_name_and_a_key_be_null(declared: TestClient) -> None:
    found = _ask(declared, {"customer": [None, "2"], "event_timestamp": ["2025-03-01"] * 2}).json()
    assert [row["total_orders"] for row in found["data"]] == [None, 4]
    assert [row["customer"] for row in found["data"]] == [None, "2"]


def test_names_may_be_whole_and_a_service_gives_all_of_its(declared: TestClient) -> None:
    service = {"name": "all", "feature_views": ["customer_features"]}
    assert declared.post("/feast/features/service", json=service).status_code == 201
    frame = {"customer_id": [1], "event_timestamp": ["2025-03-01"]}
    whole = _ask(declared, frame, features=None, feature_service="all", full_feature_names=True).json()
    assert whole["data"][0]["customer_features__total_spent"] == 1.0
    assert _ask(declared, frame, full_feature_names=True).json()["data"][0]["customer__total_orders"] == 3
    assert _ask(declared, frame, feature_service="al").status_code == 404


def test_numbers_that_json_has_not_are_null(declared: TestClient, house_settings: Settings) -> None:
    from datetime import datetime

    import pyarrow as pa

    from asgard_pipelines.lakehouse import Lakehouse

    odd = {"customer_id": [7], "total_orders": [1], "total_spent": [math.inf]}
    odd["updated_at"] = pa.array([datetime(2025, 1, 1)], pa.timestamp("us"))
    Lakehouse(house_settings).append("gold.customer_aggregates", pa.table(odd), key="odd")
    frame = {"customer_id": [7], "event_timestamp": ["2025-03-01"]}
    assert _ask(declared, frame, features=["customer:total_spent"]).json()["data"][0]["total_spent"] is None


def test_a_download_needs_its_address_only_and_expires(
    declared: TestClient, house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = _ask(declared, FRAME).json()["download_url"]
    monkeypatch.setenv("ASGARD_AUTH", "on")
    guarded = TestClient(create_app(Settings.read()), base_url=LOOPBACK)
    assert guarded.get(address).status_code == 200
    folder = house_settings.state_folder / "downloads"
    [path] = folder.iterdir()
    assert path.stat().st_mode & 0o077 == 0 or folder.stat().st_mode & 0o077 == 0
    assert len(path.stem) == 43
    for wrong in ("x.parquet", f"{'a' * 43}.parquet", "..%2F..%2Fstate.db", f"{path.name}x"):
        assert guarded.get(f"/api/v1/features/downloads/{wrong}").status_code == 404
    old = time.time() - KEPT_SECONDS - 1
    os.utime(path, (old, old))
    assert guarded.get(address).status_code == 404
    _ask(declared, FRAME)
    assert path not in set(folder.iterdir())
    assert len(list(folder.iterdir())) == 1


def test_who_guesses_addresses_is_slowed_down(
    declared: TestClient, house_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_AUTH", "on")
    monkeypatch.setenv("ASGARD_RATE_LIMIT", "3/minute")
    guarded = TestClient(create_app(Settings.read()), base_url=LOOPBACK)
    told = [guarded.get(f"/api/v1/features/downloads/{n}.parquet").status_code for n in range(4)]
    assert told == [404, 404, 404, 429]
