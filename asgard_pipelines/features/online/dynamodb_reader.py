"""Reading items of several tables of DynamoDB in one round trip."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import mmh3
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online.dynamodb_tables import DynamoDbTables
from asgard_pipelines.features.online.encoded_rows import Times
from asgard_pipelines.features.online.stamps import stamps, times_of
from asgard_pipelines.features.online.store import Reader, StoredRow, ViewRead

_AT_ONCE = 100
_TRIES = 10
_NAMED = 200
"""Features that are asked by name; an expression has at most 4 KB, and past this all are read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Item = Mapping[str, Any]


def id_of(key: bytes) -> str:
    """As Feast hashes it."""
    return mmh3.hash_bytes(key).hex()


def item_stamp(item: Item) -> str:
    if item.get("asgard_ts") == item["event_ts"]:
        stamp: str = item["asgard_stamp"]["S"]
        return stamp
    return stamp_of_time(item["event_ts"]["S"])


def stamp_of_time(text: str) -> str:
    """Of a time as Feast writes it."""
    at = datetime.fromisoformat(text)
    zoned = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    micros = np.array([(zoned - _EPOCH) // timedelta(microseconds=1)])
    return str(stamps(Times(micros, None))[0].as_py().decode()).ljust(30, "0")


class DynamoDbReader(Reader):
    """Reads are consistent: what was written is seen at once."""

    def __init__(self, tables: DynamoDbTables, asked: Sequence[ViewRead]) -> None:
        self._tables = tables
        self._asked = list(asked)
        self._how = [_projection(one.features) for one in asked]

    def fetch(self, keys: Sequence[Sequence[bytes]]) -> list[list[StoredRow | None]]:
        try:
            found = self.items(keys)
        except (BotoCoreError, ClientError) as error:
            raise BackendUnavailable(
                f"The online store at {self._tables.address} does not answer: {error}."
            ) from error
        return [
            [_row(items.get(id_of(key)), one.features) for key in keys[one.keys]]
            for one, items in zip(self._asked, found, strict=True)
        ]

    def items(self, keys: Sequence[Sequence[bytes]]) -> list[dict[str, Item]]:
        """Of each view, by id. Raises botocore's errors."""
        wanted = [
            (place, name)
            for place, one in enumerate(self._asked)
            for name in dict.fromkeys(id_of(key) for key in keys[one.keys])
        ]
        parts = [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)]
        made: list[dict[str, Item]] = [{} for _ in self._asked]
        for found in self._tables.together(self._batch, parts) if parts else ():
            for place, items in found.items():
                made[place] |= items
        return made

    def _batch(self, wanted: Sequence[tuple[int, str]]) -> dict[int, dict[str, Item]]:
        tables = {self._tables.name(self._asked[place].view): place for place, _ in wanted}
        left: dict[str, Any] = {
            table: {
                "Keys": [{"entity_id": {"S": name}} for at, name in wanted if at == place],
                "ConsistentRead": True,
                **self._how[place],
            }
            for table, place in tables.items()
        }
        made: dict[int, dict[str, Item]] = {place: {} for place in tables.values()}
        tries = 0
        while left:
            try:
                found = self._tables.client.batch_get_item(RequestItems=left)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                there = {table for table in left if self._tables.there(self._asked[tables[table]].view)}
                tries += 1
                if there == left.keys():  # since then; for a moment after it is made a table is not yet found
                    if tries > _TRIES:
                        raise
                    time.sleep(0.05 * tries)
                left = {table: asked for table, asked in left.items() if table in there}
                continue
            for table, items in found["Responses"].items():
                made[tables[table]] |= {item["entity_id"]["S"]: item for item in items}
            left = found.get("UnprocessedKeys") or {}
        return made


def _projection(features: Sequence[str]) -> dict[str, Any]:
    if len(features) > _NAMED:
        return {}
    names = {f"#f{place}": name for place, name in enumerate(features)}
    paths = ["entity_id", "event_ts", "asgard_ts", "asgard_stamp", *(f"#values.{alias}" for alias in names)]
    named = names | ({"#values": "values"} if features else {})
    return {
        "ProjectionExpression": ", ".join(paths),
        **({"ExpressionAttributeNames": named} if named else {}),
    }


def _row(item: Item | None, features: Sequence[str]) -> StoredRow | None:
    if item is None:
        return None
    values = item.get("values", {"M": {}})["M"]
    at = int(times_of([item_stamp(item)]).event[0])
    return at, [values[name]["B"] if name in values else None for name in features]
