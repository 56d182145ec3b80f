"""Every route of the application, as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from asgard_pipelines.api.access import BY_ADDRESS, OPEN


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    """Its template."""
    scope: str | None
    """None: it asks for no token."""
    documented: bool
    """It stands in the OpenAPI."""

    @property
    def address(self) -> str:
        """With something in the place of every parameter."""
        return re.sub(r"\{[^}]*\}", "nothing", self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes(app: FastAPI) -> list[Route]:
    found = []
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            found.append(Route(method, context.path, _scope(context), documented=context.include_in_schema))
    return sorted(found, key=str)


def _scope(context: object) -> str | None:
    calls = [one.call for one in context.dependant.dependencies]  # type: ignore[attr-defined]
    scopes = [call.__dict__["scope"] for call in calls if "scope" in getattr(call, "__dict__", {})]
    path = context.path  # type: ignore[attr-defined]
    assert len(scopes) == (path not in OPEN and not path.startswith(BY_ADDRESS)), (
        f"{path} says {scopes or 'no scope'}"
    )
    return scopes[0] if scopes else None
