"""One header of a request, without making an object of all of them."""

from __future__ import annotations

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """The first of that name (in lower case, as the server gives them)."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None
