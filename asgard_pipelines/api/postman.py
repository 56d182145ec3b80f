"""The OpenAPI as a Postman collection: `make postman` writes it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asgard_pipelines.api.app import create_app
from asgard_pipelines.settings import Settings

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
Json = dict[str, Any]


def collection(openapi: Json) -> Json:
    """One folder a tag, one request an operation, with the example that stands in the OpenAPI as its body."""
    folders: dict[str, list[Json]] = {}
    for path, method, operation in operations(openapi):
        folders.setdefault(operation["tags"][0], []).append(_item(openapi, path, method, operation))
    return {
        "info": {
            "name": openapi["info"]["title"],
            "description": openapi["info"]["description"].strip(),
            "schema": _SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "base_url", "value": "http://localhost:8000"},
            {"key": "token", "value": ""},
        ],
        "item": [{"name": tag, "item": items} for tag, items in folders.items()],
    }


def operations(openapi: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method in capitals, operation."""
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def example(openapi: Json, operation: Json) -> Any:
    """The body that the OpenAPI gives as an example; None where no body is taken."""
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rsplit("/", 1)[1]
    return openapi["components"]["schemas"][name]["examples"][0]


def _item(openapi: Json, path: str, method: str, operation: Json) -> Json:
    request: Json = {
        "method": method,
        "description": operation.get("description", ""),
        "url": _url(path, operation.get("parameters", [])),
    }
    body = example(openapi, operation)
    if body is not None:
        request["header"] = [{"key": "Content-Type", "value": "application/json"}]
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(body, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    return {"name": operation["summary"], "request": request}


def _url(path: str, parameters: list[Mapping[str, Any]]) -> Json:
    segments = [re.sub(r"^\{(.*)\}$", r":\1", part) for part in path.strip("/").split("/")]
    return {
        "raw": "{{base_url}}/" + "/".join(segments),
        "host": ["{{base_url}}"],
        "path": segments,
        "query": [
            {"key": one["name"], "value": "", "description": one.get("description", ""), "disabled": True}
            for one in parameters
            if one["in"] == "query"
        ],
        "variable": [{"key": one["name"], "value": ""} for one in parameters if one["in"] == "path"],
    }


def main() -> None:
    """Writes the collection to the file that is named."""
    text = json.dumps(collection(create_app(Settings.read()).openapi()), indent=2, ensure_ascii=False)
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n")


if __name__ == "__main__":
    main()
