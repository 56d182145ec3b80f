"""What only DynamoDB brings with it: items that Feast changes in part, and the size of an item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from asgard_pipelines.errors import BackendUnavailable, Invalid
from asgard_pipelines.features.online import Written
from asgard_pipelines.features.online.dynamodb import DynamoDbStore
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.views import MICRO, NOON, SECOND, pages, rows, view, visit
from asgard_pipelines_tests.stack.servers import dynamodb_local, free_port

pytestmark = pytest.mark.stack
VISITS = view()
SETTINGS = Settings()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDbStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with dynamodb_local(tmp_path) as port:
        made = DynamoDbStore("shop", "eu-north-1", f"http://127.0.0.1:{port}")
        yield made
        made.close()


def test_a_time_that_feast_changed_in_part_of_an_item_counts(store: DynamoDbStore) -> None:
    store.write(VISITS, visit(VISITS, 1, NOON))
    item = store.tables.client.scan(TableName="shop.visits")["Items"][0]
    store.tables.client.update_item(  # as Feast's `update_online_store` does
        TableName="shop.visits",
        Key={"entity_id": item["entity_id"]},
        UpdateExpression="SET event_ts = :at",
        ExpressionAttributeValues={":at": {"S": "2026-03-01 12:00:01+00:00"}},
    )
    late = NOON + SECOND
    assert store.times(VISITS, pa.table({"visitor_id": [1]}))["event"].to_pylist() == [late]
    assert store.write(VISITS, visit(VISITS, 2, late - MICRO)) == Written(0, 1)
    assert store.write(VISITS, visit(VISITS, 3, late)) == Written(1, 0)
    assert pages(SETTINGS, store, VISITS) == 3


def test_a_row_that_is_too_large_is_refused_as_such(store: DynamoDbStore) -> None:
    given = rows(VISITS, visitor_id=[1], pages=[1], city=["x" * 500_000], at=NOON)
    with pytest.raises(Invalid, match="DynamoDB refuses a row: Item size"):
        store.write(VISITS, given)


def test_where_nobody_listens_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = DynamoDbStore("shop", "eu-north-1", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(BackendUnavailable, match="does not answer"):
        store.ping()
    with pytest.raises(BackendUnavailable, match="does not answer"):
        pages(SETTINGS, store, VISITS)
