"""Requests made from the OpenAPI: none breaks the server, and each gets an answer that stands in it.

`make fuzz` sends 20,000; `make test` a few hundred.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from asgard_pipelines_tests.api.conftest import LOOPBACK

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
_REAL = {
    "name": ["customer_features", "made", "nothing"],
    "table_name": ["customer_aggregates", "gold.customer_aggregates", "iceberg.gold.nothing"],
    "timestamp_field": ["updated_at", "total_spent"],
    "entities": [["customer"], ["customer_id"]],
    "feature_views": [["customer_features"], ["made"]],
    "dtype": ["int64", "float64"],
}
"""Values that lead further in than chance would."""
_CONFORMANCE = [status_code_conformance, content_type_conformance, response_schema_conformance]


def _with_real_values(schema: Any) -> Any:
    """The same schema, in which a known field often has a value that exists."""
    if isinstance(schema, list):
        return [_with_real_values(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _with_real_values(value) for key, value in schema.items()}
    fields = found.get("properties")
    if isinstance(fields, dict):
        for field, values in _REAL.items():
            if field in fields:
                fields[field] = {"anyOf": [{"enum": values}, fields[field]]}
    return found


def _honest(response: Response) -> bool:
    """Nothing broke. Where Dagster does not run, what needs it says so, and when to ask again."""
    if response.status_code == 503:
        return "retry-after" in response.headers and response.json()["error"]["code"] == "BACKEND_UNAVAILABLE"
    return response.status_code < 500


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("nobody_to_run")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
def test_no_request_breaks_it_and_each_answer_is_as_documented(
    app: FastAPI, client: TestClient, view_body: dict[str, Any], mode: GenerationMode
) -> None:
    assert client.post("/feast/features", json=view_body).status_code == 201
    schema = schemathesis.openapi.from_dict(_with_real_values(app.openapi()))
    schema.app = app
    operations = [result.ok() for result in schema.get_all_operations()]
    each = max(1, REQUESTS // len(operations) // 2)
    asked = rounds = 0
    while asked < REQUESTS // 2:  # a route that takes little has few requests: the others send more
        rounds += 1
        for operation in operations:

            @seed(SEED + rounds)
            @hypothesis_settings(
                max_examples=each,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                response = case.call(base_url=LOOPBACK, timeout=120)
                assert _honest(response), f"{case.as_curl_command()}\n{response.status_code} {response.text}"
                case.validate_response(response, checks=_CONFORMANCE)

            with suppress(Unsatisfiable):  # a route that takes nothing has no wrong request
                ask()
