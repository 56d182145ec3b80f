"""What the client promises, in process and over REST, awaited and not: the same answers, the same errors."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from asgard_pipelines.client import AsyncFeatureStoreClient, FeatureStoreClient
from asgard_pipelines.errors import (
    AsgardError,
    ColumnNotFound,
    DeclarationNotFound,
    FeatureViewNotFound,
    Invalid,
    TypeMismatch,
)
from asgard_pipelines.state import create_token
from asgard_pipelines_tests.client.world import NOW, World

pytestmark = [
    # Feast's and its dependencies' own, at import; ours still fail the tests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Awaited:
    """An asynchronous client as if it were not: every call is run to its end in one event loop."""

    def __init__(self, client: AsyncFeatureStoreClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._runner.run(getattr(self._client, name)(*args, **kwargs))

        return call


@pytest.fixture(params=["in process", "over REST", "in process, async", "over REST, async"])
def client(request: pytest.FixtureRequest, world: World) -> Iterator[Any]:
    settings = world.over_rest if "REST" in request.param else world.settings
    if "async" not in request.param:
        with FeatureStoreClient(settings) as made:
            yield made
        return
    with asyncio.Runner() as runner:
        awaited = Awaited(AsyncFeatureStoreClient(settings), runner)
        yield awaited
        awaited.close()


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")
        }

    assert methods(FeatureStoreClient) == methods(AsyncFeatureStoreClient)


def test_features_for_a_prediction_are_the_service_s_in_its_order_without_keys(client: Any) -> None:
    features = client.get_features_for_prediction(customer_id="CUST_000001")
    assert list(features) == [
        "customer_tenure_months",
        "customer_monthly_charges",
        "customer_total_charges",
        "customer_support_tickets",
        "customer_age",
    ]
    assert client.get_features_for_prediction("CUST_000001") == features
    assert [type(value) for value in features.values()] == [int, float, float, int, int]
    whole = client.get_features_for_prediction("CUST_000001", "churn_prediction_v1")
    assert whole.items() >= features.items()
    assert whole["customer_tickets_per_month"] == features["customer_support_tickets"] / 3
    assert set(client.get_features_for_prediction("nobody").values()) == {None}


def test_many_rows_come_in_their_order_each_value_with_its_status(client: Any) -> None:
    rows = [
        {"customer_id": "CUST_000002", "shop_id": 1},
        {"customer_id": "CUST_000001", "shop_id": np.int64(2)},
        {"customer_id": "nobody", "shop_id": 2},
        {"customer_id": "CUST_000001", "shop_id": 1},
        {"customer_id": "CUST_000001", "shop_id": 1},
    ]
    found = client.get_online_features(rows, "visited")
    nothing = {"count": None, "share": None, "member": None, "last": None, "words": None}
    at = NOW.isoformat() + "Z"
    one = {"count": 3, "share": 0.25, "member": True, "last": "2024-06-30T15:45:23Z"}
    one |= {"words": ["a", None, "ü"]}
    assert found.rows == [
        nothing | {"size": 10},
        {"count": None, "share": None, "member": False, "last": at, "words": [], "size": 20},
        nothing | {"size": 20},
        one | {"size": 10},
        one | {"size": 10},
    ]
    assert [list(row) for row in found.rows] == [[*nothing, "size"]] * 5
    assert [set(row.values()) for row in found.statuses] == [
        {"EXPIRED", "FOUND"},
        {"FOUND"},
        {"NOT_FOUND", "FOUND"},
        {"FOUND"},
        {"FOUND"},
    ]
    assert found.to_df()["size"].tolist() == [10, 20, 20, 10, 10]
    assert not found.complete


def test_features_may_be_named_and_their_view_with_them(client: Any) -> None:
    found = client.get_online_features([{"shop": 2}], features=["shop_features:size"])
    assert found.rows == [{"size": 20}]
    found = client.get_online_features([{"shop": 2}], features=["shop:size"], full_feature_names=True)
    assert found.rows == [{"shop__size": 20}]


def test_more_rows_than_one_request_takes_are_read(client: Any) -> None:
    rows = [{"shop_id": place % 3} for place in range(10_001)]
    found = client.get_online_features(rows, features=["shop_features:size"])
    assert [row["size"] for row in found.rows] == [[None, 10, 20][place % 3] for place in range(10_001)]


def test_a_training_frame_keeps_its_rows_its_index_and_its_columns(client: Any) -> None:
    labels = pd.Categorical(["no", "yes", "no", "yes"])
    frame = pd.DataFrame(
        {
            "customer_id": ["CUST_000003", "nobody", None, "CUST_000001"],
            "event_timestamp": [datetime.now(), NOW, NOW, NOW - timedelta(days=500)],
            "churn": labels,
        },
        index=[7, 7, 2, 0],
    )
    before = frame.copy()
    rows = client.get_training_features(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(rows[list(frame.columns)], before)
    assert rows.columns[3:].tolist() == [
        one.split(":")[1] for one in client.get_feature_service_features("churn_prediction_v1")
    ]
    online = client.get_features_for_prediction("CUST_000003", "churn_prediction_v1")
    assert rows.iloc[0][3:].to_dict() == pytest.approx(online)
    assert rows.iloc[1:, 3:].isna().all(axis=None)
    assert rows["contract_type"].dtype == object
    assert rows["customer_tenure_months"].dtype == "float64"  # nulls are among them


def test_features_are_those_known_at_each_row_s_own_time_in_whatever_zone_it_is_told(client: Any) -> None:
    month = datetime(NOW.year, NOW.month, 1)
    before = month - timedelta(microseconds=1)
    ahead = before.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5, minutes=30)))
    for times in ([month, before], [f"{month.isoformat()}Z", before.isoformat()], [month, ahead.isoformat()]):
        frame = pd.DataFrame({"customer_id": ["CUST_000005"] * 2, "event_timestamp": times})
        tenures = client.get_training_features(frame, "churn_prediction_online")["customer_tenure_months"]
        assert tenures[0] == tenures[1] + 1
    aware = pd.DataFrame({"customer_id": ["CUST_000005"], "event_timestamp": [ahead]})
    found = client.get_training_features(aware, "churn_prediction_online")["customer_tenure_months"]
    assert found[0] == tenures[1]


def test_without_a_time_column_features_are_as_of_now_and_one_of_another_name_counts(client: Any) -> None:
    frame = pd.DataFrame({"customer_id": ["CUST_000001"], "label": [1]})
    rows = client.get_training_features(frame, "churn_prediction_online")
    assert rows.columns[:2].tolist() == ["customer_id", "label"]
    assert rows.iloc[0][2:].to_dict() == client.get_features_for_prediction("CUST_000001")
    named = frame.assign(seen=[datetime(2018, 1, 1)])
    assert client.get_training_features(named, "churn_prediction_online").iloc[0, 3:].isna().all()


def test_a_training_frame_takes_every_kind_of_value_as_it_was_declared(client: Any) -> None:
    frame = pd.DataFrame({"customer": ["CUST_000001"] * 2, "shop_id": [1, 2]})
    rows = client.get_training_features(frame, features=["visits:count", "visits:last", "visits:words"])
    assert rows["count"].tolist() == [3.0, pytest.approx(np.nan, nan_ok=True)]
    assert rows["last"].tolist() == [pd.Timestamp("2024-06-30 15:45:23"), pd.Timestamp(NOW)]
    assert [list(words) for words in rows["words"]] == [["a", None, "ü"], []]


def test_keys_may_be_of_any_type_that_pandas_holds_them_in(client: Any) -> None:
    keys = pd.Series(["CUST_000001", "CUST_000004", "CUST_000001"])
    expected = client.get_training_features(pd.DataFrame({"customer_id": keys}), "churn_prediction_online")
    for dtype in ("category", "string", "string[pyarrow]"):
        frame = pd.DataFrame({"customer_id": keys.astype(dtype)})
        found = client.get_training_features(frame, "churn_prediction_online")
        assert found["customer_id"].dtype == dtype
        pd.testing.assert_frame_equal(found.iloc[:, 1:], expected.iloc[:, 1:])
    for shops in ([1, 2, 9], np.array([1, 2, 9], "int16"), pd.array([1, 2, None], "Int64"), ["1", "2", "9"]):
        found = client.get_training_features(
            pd.DataFrame({"shop_id": shops}), features=["shop_features:size"]
        )
        assert found["size"].fillna(0).tolist() == [10, 20, 0]


def test_what_is_declared_is_listed(client: Any, world: World) -> None:
    views = client.list_feature_views()
    assert views == sorted(one.name for one in world.declarations.all_views)
    assert {"customer_behavior_features", "customer_derived_features", "visits"} <= set(views)
    services = client.list_feature_services()
    assert services == ["churn_prediction_online", "churn_prediction_v1", "visited"]
    features = client.get_feature_service_features("churn_prediction_online")
    assert features[0] == "customer_behavior_features:customer_tenure_months"
    assert features[-1] == "customer_demographics_features:customer_age"


def test_what_is_declared_otherwise_is_seen_within_seconds(client: Any, world: World) -> None:
    writer = create_token(world.settings, f"writer-{time.time_ns()}", ["features:write"], timedelta(days=1))
    service = {"name": "just_made", "feature_views": ["shop_features"]}
    row = [{"shop_id": 2}]
    with httpx.Client(base_url=world.address, headers={"Authorization": f"Bearer {writer}"}) as http:
        with pytest.raises(DeclarationNotFound):
            client.get_online_features(row, "just_made")
        assert http.post("/feast/features/service", json=service, timeout=60).status_code == 201
        try:
            time.sleep(1.1)
            assert client.get_online_features(row, "just_made").rows == [{"size": 20}]
            assert "just_made" in client.list_feature_services()
        finally:
            assert http.delete("/feast/services/just_made", timeout=60).status_code == 200
    time.sleep(1.1)
    with pytest.raises(DeclarationNotFound):
        client.get_online_features(row, "just_made")


def test_entities_are_valid_when_every_view_has_each_within_its_ttl(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good = [{"customer_id": "test_customer"}, {"customer_id": "CUST_000030"}]
    with caplog.at_level(logging.WARNING, "asgard_pipelines.client"):
        assert client.validate_features(good) is True
        assert client.validate_features(good, "churn_prediction_v1") is True
        assert not caplog.records
        assert client.validate_features([*good, {"customer_id": "nobody"}]) is False
        late = {"customer_id": "CUST_000002", "shop_id": 1}
        assert client.validate_features([late], feature_service="visited") is False
    told = [record.message for record in caplog.records]
    assert "'nobody'" in told[0]
    assert "customer_age NOT_FOUND" in told[0]
    assert "count EXPIRED" in told[1]


FRAME = pd.DataFrame({"customer_id": ["CUST_000001"]})
MISTAKES: list[tuple[str, tuple[Any, ...], dict[str, Any], type[AsgardError], str]] = [
    ("get_features_for_prediction", ("a", "churn_v1"), {}, DeclarationNotFound, "'churn_v1' not found"),
    ("get_features_for_prediction", (), {"shop_id": 1}, Invalid, "missing: customer_id; unknown: shop_id"),
    ("get_features_for_prediction", (1.5,), {}, TypeMismatch, "'customer_id' is string"),
    ("get_features_for_prediction", (b"a",), {}, TypeMismatch, ""),
    ("get_features_for_prediction", ("\ud800",), {}, TypeMismatch, ""),
    ("get_online_features", ([{"shop_id": 2**64}],), {"features": ["shop_features:size"]}, TypeMismatch, ""),
    ("get_online_features", ([{"customer_id": "a"}, {}],), {}, Invalid, "Row 1 names nothing"),
    ("get_online_features", ([],), {}, Invalid, "at least one row"),
    ("get_online_features", ([{"a": 1}],), {"features": ["visit:count"]}, FeatureViewNotFound, "'visits'"),
    ("get_online_features", ([{"a": 1}],), {"features": ["visits:size"]}, ColumnNotFound, "'size' not found"),
    ("get_online_features", ([{"a": 1}],), {"features": []}, Invalid, "Name a `feature_service`"),
    ("get_training_features", (FRAME, "visited"), {}, Invalid, "lacks the keys of these features: shop_id"),
    ("get_training_features", (FRAME, "visted"), {}, DeclarationNotFound, "Did you mean 'visited'"),
    ("get_training_features", (FRAME.assign(customer_age=1),), {}, Invalid, "customer_age"),
    (
        "get_training_features",
        (FRAME.assign(event_timestamp="soon"),),
        {},
        TypeMismatch,
        "no column of times",
    ),
    ("get_training_features", (FRAME.assign(event_timestamp=pd.NaT),), {}, TypeMismatch, "lacks some times"),
    ("get_training_features", (FRAME.assign(event_timestamp=5),), {}, TypeMismatch, "holds int64"),
    ("get_training_features", (FRAME.assign(customer_id=1.5),), {}, TypeMismatch, "'customer_id' is string"),
    ("get_training_features", (FRAME[:0],), {}, Invalid, "no rows"),
    ("get_training_features", ({"customer_id": ["a"]},), {}, Invalid, "give a pandas frame"),
    ("get_feature_service_features", ("visted",), {}, DeclarationNotFound, "Did you mean 'visited'"),
    ("validate_features", ([],), {}, Invalid, "at least one row"),
    ("validate_features", ([{"customer_id": "a"}], "none"), {}, DeclarationNotFound, "'none' not found"),
]


@pytest.mark.parametrize(("method", "args", "kwargs", "kind", "message"), MISTAKES)
def test_a_mistake_is_the_same_error(
    client: Any, method: str, args: Any, kwargs: Any, kind: type[AsgardError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        getattr(client, method)(*args, **kwargs)
    assert type(caught.value) is kind
    assert message in caught.value.message
