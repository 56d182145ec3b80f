"""What somebody sends to break something gets a typed error, or is handled; nothing breaks and nothing leaks.

In `make test` every value goes to two places, chosen anew by `HOSTILE_SEED`; `make fuzz` sends each to all.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from asgard_pipelines.api.postman import example, operations
from asgard_pipelines.project import load
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.hostile import values

PLACES = int(os.environ.get("HOSTILE_PLACES", "2"))
SEED = int(os.environ.get("HOSTILE_SEED", "0"))
_HEADERS = ("Idempotency-Key", "X-Request-Id", "Authorization", "Content-Type", "Accept")
_LEAKS = ("Traceback", "site-packages", ".py", "/home/", "sqlite", "sqlalchemy", "pyiceberg", "duckdb")


class Place:
    """Where a value is put: a parameter of the path or of the query, a field of the body, or a header."""

    def __init__(self, method: str, path: str, body: Any, kind: str, spot: tuple[Any, ...]) -> None:
        self.method, self.path, self.body, self.kind, self.spot = method, path, body, kind, spot

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind} {'.'.join(map(str, self.spot))}"

    def send(self, client: TestClient, value: object) -> Response | None:
        """The answer; None where such a value cannot be sent at all."""
        path, body, headers, query = self.path, copy.deepcopy(self.body), {}, {}
        text = value if isinstance(value, str) else json.dumps(value)
        if self.kind == "path":
            path = path.replace(f"{{{self.spot[0]}}}", quote(text, safe=""))
        path = path.replace("{", "").replace("}", "")
        if self.kind == "query":
            query = {self.spot[0]: text}
        elif self.kind == "header":
            if not text.isascii() or not text.isprintable() or len(text) > 5000:
                return None
            headers = {self.spot[0]: text}
        elif self.kind == "body":
            inner = body
            for part in self.spot[:-1]:
                inner = inner[part]
            inner[self.spot[-1]] = value
        content = None if body is None else json.dumps(body)
        return client.request(self.method, path, params=query, headers=headers, content=content)


def places(openapi: dict[str, Any]) -> Iterator[Place]:
    for path, method, operation in operations(openapi):
        body = example(openapi, operation)
        for one in operation.get("parameters", []):
            yield Place(method, path, body, one["in"], (one["name"],))
        for spot in _spots(body):
            yield Place(method, path, body, "body", spot)
        if operation["tags"] != ["health"]:
            for header in _HEADERS:
                yield Place(method, path, body, "header", (header,))


def _spots(body: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field, however deep; of a list the first."""
    inner = body.items() if isinstance(body, dict) else enumerate(body[:1]) if isinstance(body, list) else ()
    for part, value in inner:
        yield (*above, part)
        yield from _spots(value, (*above, part))
    if isinstance(body, dict) and body:
        yield (*above, "unheard_of")


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("nobody_to_run")
def test_no_hostile_value_breaks_anything(
    app: FastAPI, client: TestClient, house_settings: Settings, view_body: dict[str, Any]
) -> None:
    assert client.post("/feast/features", json=view_body).status_code == 201
    sent = values()
    everywhere = list(places(app.openapi()))
    assert len(sent) > 500
    assert len(everywhere) > 40
    private = [*_LEAKS, str(house_settings.state_folder), str(house_settings.repo)]
    # What was taken as a name stands in later answers, beside the names that there are.
    names = [one for one in sent if isinstance(one, str) and any(word in one for word in private)]
    problems = []
    for number, value in enumerate(sent):
        for turn in range(min(PLACES, len(everywhere))):
            # 37 shares no factor with the number of places for long: all are met, in no order.
            place = everywhere[(number * 37 + turn * 61 + SEED) % len(everywhere)]
            answer = place.send(client, value)
            if answer is not None and (problem := _problem(answer, value, private, names)):
                problems.append(f"{place} <- {value!r:.80}: {problem}")
    assert problems == []
    assert client.get("/health/ready").status_code == 200
    assert load(house_settings).all_views
    assert (house_settings.state_folder / "state.db").exists()


def _problem(answer: Response, value: object, private: list[str], names: list[str]) -> str | None:
    """What is wrong with the answer: it is no typed error, or tells what nobody should know."""
    if answer.status_code >= 500 and not (answer.status_code == 503 and "retry-after" in answer.headers):
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code < 400:
        return None
    error = answer.json()["error"]
    if set(error) != {"code", "message", "details", "request_id"} or not error["message"]:
        return f"no envelope: {error}"
    told = answer.text
    for given in [value, *names] if isinstance(value, str) else names:
        told = told.replace(json.dumps(given)[1:-1], "")
    found = [word for word in private if word in told and word not in str(value)]
    return f"tells {found}: {answer.text[:300]}" if found else None
