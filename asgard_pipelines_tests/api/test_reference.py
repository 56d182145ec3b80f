"""The reference of routes and errors is complete, and the OpenAPI has an example for every body."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from asgard_pipelines import errors
from asgard_pipelines.api import create_app, envelope
from asgard_pipelines.api.postman import collection, example, operations
from asgard_pipelines.errors import AsgardError
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.api.routes import Route, routes

DOCS = Path(__file__).parents[2] / "docs"
ROUTES = (DOCS / "reference" / "rest.md").read_text()
ERRORS = (DOCS / "reference" / "errors.md").read_text()
COLLECTION = DOCS / "postman" / "feast_api_collection.json"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings())


@pytest.fixture(scope="module")
def openapi(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def test_every_route_stands_in_the_reference_with_its_scope(app: FastAPI) -> None:
    rows = re.findall(r"^\| `([A-Z]+ [^`]+)` \| (?:`([a-z:]+)`|none) \| \S", ROUTES, re.MULTILINE)
    assert sorted(rows) == sorted((str(route), route.scope or "") for route in routes(app))


def _typed() -> dict[str, int]:
    found = {}
    kinds = [AsgardError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        found[kind.code] = kind.status
    del found[AsgardError.code]
    return found


def test_every_error_stands_in_the_reference_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([0-9]{3})", ERRORS, re.MULTILINE))
    known = {**_typed(), "METHOD_NOT_ALLOWED": 405, "INTERNAL_ERROR": 500}
    assert {code: int(status) for code, status in rows.items()} == known
    assert set(envelope._CODES.values()) <= known.keys()


def test_the_tree_of_errors_is_told_as_it_is() -> None:
    for code in _typed():
        assert code in (errors.__doc__ or "")


def test_what_is_documented_is_what_there_is(app: FastAPI, openapi: dict[str, Any]) -> None:
    documented = {(method, path) for path, method, _ in operations(openapi)}
    assert documented == {(route.method, route.path) for route in routes(app) if route.documented}


def test_every_operation_says_what_it_does_and_has_an_example_that_fits(openapi: dict[str, Any]) -> None:
    import jsonschema_rs

    for path, method, operation in operations(openapi):
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        body = example(openapi, operation)
        if body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema_rs.validate({**schema, "components": openapi["components"]}, body)


def test_the_postman_collection_is_the_openapi(openapi: dict[str, Any]) -> None:
    assert json.loads(COLLECTION.read_text()) == collection(openapi), "make postman writes it anew"


def test_the_collection_has_every_request(app: FastAPI, openapi: dict[str, Any]) -> None:
    requests = [item["request"] for folder in collection(openapi)["item"] for item in folder["item"]]
    sent = {(one["method"], re.sub(r":([a-z_]+)", r"{\1}", one["url"]["raw"])) for one in requests}
    assert sent == {(route.method, "{{base_url}}" + route.path) for route in _documented(app)}


def _documented(app: FastAPI) -> list[Route]:
    return [route for route in routes(app) if route.documented]
