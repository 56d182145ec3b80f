"""The tables of one Feast project in DynamoDB, and the connections to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from asgard_pipelines.errors import BackendUnavailable, Invalid

_AT_ONCE = 16


class DynamoDbTables:
    """Credentials come from where boto3 finds them: the environment, a profile, the machine's role."""

    def __init__(self, project: str, region: str, endpoint: str | None) -> None:
        self._project, self._region, self._endpoint = project, region, endpoint
        self.address = f"dynamodb://{region}" + (f"?endpoint={endpoint}" if endpoint else "")

    @cached_property
    def client(self) -> Any:
        config = Config(
            max_pool_connections=2 * _AT_ONCE,
            connect_timeout=5,
            read_timeout=10,
            retries={"mode": "standard"},
        )
        session = boto3.session.Session()
        return session.client(
            "dynamodb", region_name=self._region, endpoint_url=self._endpoint, config=config
        )

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_AT_ONCE, "dynamodb")

    def name(self, view: str) -> str:
        return f"{self._project}.{view}"

    def there(self, view: str) -> bool:
        """Whether the view has a table, one that is being made included."""
        try:
            self.client.describe_table(TableName=self.name(view))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return False
        return True

    def together(self, work: Callable[[Any], Any], asked: Sequence[Any]) -> list[Any]:
        """`work` on each, side by side."""
        return [work(asked[0])] if len(asked) == 1 else list(self._pool.map(work, asked))

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raises Invalid, BackendUnavailable in the place of botocore's errors."""
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ValidationException":
                raise Invalid(f"DynamoDB refuses a row: {error.response['Error']['Message']}.") from error
            raise BackendUnavailable(
                f"The online store at {self.address} does not answer: {error}."
            ) from error

    def close(self) -> None:
        """They may be used again."""
        if "client" in self.__dict__:
            self.client.close()
            del self.__dict__["client"]
        if "_pool" in self.__dict__:
            self._pool.shutdown()
            del self.__dict__["_pool"]
