"""The online store in DynamoDB: a table for each view, an item for each key, as Feast lays them out.

Beside Feast's attributes stand ours: the row's stamp, and the time that it was written with. Feast puts whole
items, and so takes ours away; where it changed its own time only, the two differ. Then its time counts, and
no created time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from botocore.exceptions import ClientError

from asgard_pipelines.declarations import FeatureView
from asgard_pipelines.features.kinds import Bools
from asgard_pipelines.features.online.dynamodb_reader import DynamoDbReader, id_of, item_stamp, stamp_of_time
from asgard_pipelines.features.online.dynamodb_tables import DynamoDbTables
from asgard_pipelines.features.online.encoded_rows import EncodedRows, Times
from asgard_pipelines.features.online.stamps import stamps, times_of
from asgard_pipelines.features.online.store import OnlineStore, Reader, ViewRead

_TOKEN_ID = "asgard:token"  # noqa: S105 (an item's key; no other is spelt like it)
_ID = b"id:"
"""Before what stands for a key that is known by its hash only; no encoded key begins so."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OURS_COUNTS = "asgard_ts = event_ts"
_FEAST_WROTE = "event_ts = :seen AND (attribute_not_exists(asgard_ts) OR asgard_ts <> event_ts)"


class DynamoDbStore(OnlineStore):
    def __init__(self, project: str, region: str, endpoint: str | None) -> None:
        super().__init__(project)
        self.tables = DynamoDbTables(project, region, endpoint)
        self.address = self.tables.address
        self._made: set[str] = set()

    def put(self, view: str, rows: EncodedRows) -> int:
        self.make(view)
        items = self._items(rows)
        given = [one.decode() for one in stamps(rows.times).to_pylist()]

        def written(place: int) -> bool:
            limit = given[place] if rows.times.created_or_none is not None else given[place] + "g"
            condition = f"attribute_not_exists(entity_id) OR ({_OURS_COUNTS} AND asgard_stamp <= :stamp)"
            return self._guarded(view, items[place], condition, limit, lambda stored: stored <= limit)

        with self.tables.answering():
            return sum(self.tables.together(written, range(len(items))))

    def settle(self) -> None:
        """Nothing: what DynamoDB has answered is kept."""

    def swap(
        self, view: str, keys: Sequence[bytes], expected: Times, rows: EncodedRows, taken: Sequence[int]
    ) -> int:
        self.make(view)
        items = self._items(rows)
        known = [one.decode() for one in stamps(expected).to_pylist()]

        def swapped(place: int) -> bool:
            stamp, chosen = known[place], taken[place]
            item = items[chosen] if chosen >= 0 else {"entity_id": {"S": _id_of_named(keys[place])}}
            condition = f"{_OURS_COUNTS} AND begins_with(asgard_stamp, :stamp)"
            return self._guarded(view, item, condition, stamp, lambda stored: stored.startswith(stamp))

        with self.tables.answering():
            return sum(self.tables.together(swapped, range(len(keys))))

    def stored_times(self, view: str, keys: Sequence[bytes]) -> tuple[Times, Bools]:
        with self.tables.answering():
            found = DynamoDbReader(self.tables, [ViewRead(view, ())]).items([keys])[0]
        rows = [found.get(id_of(key)) for key in keys]
        known = np.array([row is not None for row in rows], dtype=bool)
        return times_of([None if row is None else item_stamp(row) for row in rows]), known

    def everything(self, view: str) -> Iterator[tuple[list[bytes], Times]]:
        self.make(view)
        wanted = {"TableName": self.tables.name(view), "ConsistentRead": True}
        wanted |= {"ProjectionExpression": "entity_id, event_ts, asgard_ts, asgard_stamp"}
        with self.tables.answering():
            for page in self.tables.client.get_paginator("scan").paginate(**wanted):
                rows = [item for item in page["Items"] if "event_ts" in item]  # the token has none
                names = [item["entity_id"]["S"].encode() for item in rows]
                yield [_ID + name for name in names], times_of([item_stamp(item) for item in rows])

    def named(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        return [_ID + id_of(key).encode() for key in keys]

    def reader(self, asked: Sequence[ViewRead]) -> Reader:
        return DynamoDbReader(self.tables, asked)

    def identity(self, view: str) -> str:
        self.make(view)
        item = {"entity_id": {"S": _TOKEN_ID}, "token": {"S": secrets.token_hex(8)}}
        with self.tables.answering():
            try:
                self.tables.client.put_item(
                    TableName=self.tables.name(view),
                    Item=item,
                    ConditionExpression="attribute_not_exists(entity_id)",
                )
            except ClientError as error:
                _require_failed_condition(error)
            return f"{self.address}#{self._token(view)}"

    def identities(self, views: Sequence[str]) -> dict[str, str]:
        made: dict[str, str] = {}
        with self.tables.answering():
            for view in views:
                if self.tables.there(view) and (token := self._token(view)):
                    made[view] = f"{self.address}#{token}"
        return made

    def _token(self, view: str) -> str | None:
        key = {"entity_id": {"S": _TOKEN_ID}}
        found = self.tables.client.get_item(TableName=self.tables.name(view), Key=key, ConsistentRead=True)
        return str(found["Item"]["token"]["S"]) if "Item" in found else None

    def make(self, view: str) -> None:
        if view in self._made:
            return
        with self.tables.answering():
            if not self.tables.there(view):
                try:
                    self.tables.client.create_table(
                        TableName=self.tables.name(view),
                        KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
                        AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
                        BillingMode="PAY_PER_REQUEST",
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ResourceInUseException":  # another makes it
                        raise
            self.tables.client.get_waiter("table_exists").wait(
                TableName=self.tables.name(view), WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
        self._made.add(view)

    def remove(self, view: str, features: Sequence[str]) -> None:
        self._made.discard(view)
        with self.tables.answering():
            if self.tables.there(view):
                self.tables.client.delete_table(TableName=self.tables.name(view))
                self.tables.client.get_waiter("table_not_exists").wait(
                    TableName=self.tables.name(view), WaiterConfig={"Delay": 1, "MaxAttempts": 60}
                )

    def count(self, view: FeatureView) -> int | None:
        """As the table's description has it, which AWS brings up to date every six hours."""
        with self.tables.answering():
            if not self.tables.there(view.name):
                return 0
            table = self.tables.name(view.name)
            counted = self.tables.client.describe_table(TableName=table)["Table"]["ItemCount"]
            return max(0, int(counted) - (self._token(view.name) is not None))

    def ping(self) -> None:
        with self.tables.answering():
            self.tables.client.list_tables(Limit=1)

    def close(self) -> None:
        self.tables.close()

    def _items(self, rows: EncodedRows) -> list[dict[str, Any]]:
        keys, columns = rows.as_lists()
        named = dict(zip(rows.values, columns, strict=True))
        times = [str(_EPOCH + timedelta(microseconds=at)) for at in rows.times.event.tolist()]
        texts = [one.decode().ljust(30, "0") for one in stamps(rows.times).to_pylist()]
        return [
            {
                "entity_id": {"S": id_of(key)},
                "event_ts": {"S": at},
                "values": {"M": {name: {"B": column[place]} for name, column in named.items()}},
                "asgard_stamp": {"S": stamp},
                "asgard_ts": {"S": at},
            }
            for place, (key, at, stamp) in enumerate(zip(keys, times, texts, strict=True))
        ]

    def _guarded(
        self,
        view: str,
        item: Mapping[str, Any],
        condition: str,
        stamp: str,
        accepts: Callable[[str], bool],
    ) -> bool:
        """Puts the item, or deletes one that is a key alone, where the condition holds. Where Feast wrote
        last it is looked at what that was, and that it still is."""
        values = {":stamp": {"S": stamp}}
        while True:
            guard = {
                "TableName": self.tables.name(view),
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            try:
                if len(item) == 1:
                    self.tables.client.delete_item(Key=item, **guard)
                else:
                    self.tables.client.put_item(Item=item, **guard)
            except ClientError as error:
                _require_failed_condition(error)
                old: Mapping[str, Any] = error.response.get("Item", {})
                if not old or old.get("asgard_ts") == old["event_ts"]:
                    return False
                seen = old["event_ts"]["S"]
                if not accepts(stamp_of_time(seen)):
                    return False
                condition, values = _FEAST_WROTE, {":seen": {"S": seen}}
            else:
                return True


def _id_of_named(key: bytes) -> str:
    return key.removeprefix(_ID).decode() if key.startswith(_ID) else id_of(key)


def _require_failed_condition(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error
