"""Who asks, and whether they may: bearer tokens with scopes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import Request
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from asgard_pipelines.api.house import House
from asgard_pipelines.errors import Forbidden, Unauthenticated
from asgard_pipelines.state import TokenScope, find_token

ANYBODY = "loopback"
"""The principal where no token is asked for."""
bearer = HTTPBearer(auto_error=False, description="`asgard token create` makes one.")
"""For the OpenAPI; the checks are below."""


def needs(scope: TokenScope) -> Callable[[Request], str]:
    """A dependency that gives the principal's name.

    Raises:
        Unauthenticated: no token, or one that is unknown, revoked or expired.
        Forbidden: a token without the scope.
    """

    def principal(request: Request) -> str:
        house: House = request.app.state.house
        if house.settings.auth == "off":
            return ANYBODY
        scheme, secret = get_authorization_scheme_param(request.headers.get("authorization"))
        token = find_token(house.settings, secret) if scheme.lower() == "bearer" and secret else None
        if token is None or not token.valid(datetime.now(UTC)):
            raise Unauthenticated(
                "A valid token is needed: `Authorization: Bearer …` (`asgard token create`)."
            )
        if not token.allows(scope):
            raise Forbidden(f"This needs a token with the scope '{scope}'.", scope=scope)
        request.scope["principal"] = token.name
        return token.name

    principal.__dict__["scope"] = scope
    return principal
