"""Who asks, how often, and whether they may: bearer tokens with scopes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import Request
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines.api.house import House
from asgard_pipelines.api.rate_limits import RateLimits
from asgard_pipelines.errors import Forbidden, Unauthenticated
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ANYBODY, Token, TokenScope, find_token

bearer = HTTPBearer(auto_error=False, description="`asgard token create` makes one.")
"""For the OpenAPI; the checks are below."""
OPEN = ("/health/live", "/health/ready")
"""Asked by whoever watches the server: without a token, as often as they like."""
_CHANGING: set[TokenScope] = {"features:write", "models:train", "scripts:run", "admin"}


class Access:
    """Puts who asks into `scope["principal"]`, and their token into `scope["token"]`.

    With `ASGARD_AUTH=off` nobody needs one; who sends one acts under its name.

    Raises:
        Unauthenticated: a token is needed, and there is none, or one that is unknown, revoked or expired.
        RateLimited: this principal, or without one this address, asks too often.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._limits = RateLimits(settings.rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            token = await run_in_threadpool(self._token, Headers(scope=scope))
            if token is None and self._settings.auth == "on":
                self._limits.count(f"address {(scope.get('client') or ('',))[0]}")
                raise Unauthenticated(
                    "A valid token is needed: `Authorization: Bearer …` (`asgard token create`)."
                )
            scope["token"], scope["principal"] = token, token.name if token else ANYBODY
            if scope["path"] != "/metrics":
                self._limits.count(scope["principal"])
        await self._app(scope, receive, send)

    def _token(self, headers: Headers) -> Token | None:
        """The valid token that was sent."""
        scheme, secret = get_authorization_scheme_param(headers.get("authorization"))
        token = find_token(self._settings, secret) if scheme.lower() == "bearer" and secret else None
        return token if token and token.valid(datetime.now(UTC)) else None


def needs(scope: TokenScope, *, changes: bool | None = None) -> Callable[[Request], str]:
    """A dependency that gives the principal's name.

    What `changes` something is audited, and answered once for an `Idempotency-Key`; unless it is said,
    the scope tells. A route that writes under `predict` says so.

    Raises:
        Unauthenticated: no token, where even without `ASGARD_AUTH=on` one is needed: for scripts.
        Forbidden: a token without the scope.
    """
    changing = scope in _CHANGING if changes is None else changes

    def principal(request: Request) -> str:
        house: House = request.app.state.house
        request.scope["changes"] = changing
        token: Token | None = request.scope["token"]
        if house.settings.asks_token_for(scope):
            if token is None:
                raise Unauthenticated(
                    f"This needs a token with the scope '{scope}', whatever ASGARD_AUTH says; on a machine "
                    "that nobody else uses, ASGARD_SCRIPTS=open lifts that.",
                    scope=scope,
                )
            if not token.allows(scope):
                raise Forbidden(f"This needs a token with the scope '{scope}'.", scope=scope)
        return str(request.scope["principal"])

    principal.__dict__["scope"] = scope
    return principal
