"""Who asks, how often, and whether they may: bearer tokens with scopes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines.api.headers import header
from asgard_pipelines.api.known_tokens import KnownTokens
from asgard_pipelines.api.rate_limits import RateLimits
from asgard_pipelines.errors import Forbidden, Unauthenticated
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import ANYBODY, Token, TokenScope

bearer = HTTPBearer(auto_error=False, description="`asgard token create` makes one.")
"""For the OpenAPI; the checks are below."""
OPEN = ("/health/live", "/health/ready")
"""Asked by whoever watches the server: without a token, as often as they like."""
BY_ADDRESS = "/api/v1/features/downloads/"
"""What is below is for whoever knows its address, which is random and expires."""
_CHANGING: set[TokenScope] = {"features:write", "models:train", "scripts:run", "admin"}


class Access:
    """Puts who asks into `scope["principal"]`, and their token into `scope["token"]`.

    With `ASGARD_AUTH=off` nobody needs one; who sends one acts under its name.

    Raises:
        Unauthenticated: a token is needed, and there is none, or one that is unknown, revoked or expired.
        RateLimited: this principal, or without one this address, asks too often.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self._needed = app, settings.auth == "on"
        self._tokens = KnownTokens(settings)
        self._limits = RateLimits(settings.rate_limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            await self.check(scope)
        await self.app(scope, receive, send)

    async def check(self, scope: Scope) -> None:
        """Raises as said above."""
        authorization = header(scope, b"authorization")
        token = None
        if authorization:
            token = self._tokens.held(authorization) or await self._tokens.find(authorization)
        scope["token"], scope["principal"] = token, token.name if token else ANYBODY
        counted = scope["principal"]
        if token is None and self._needed:
            counted = f"address {(scope.get('client') or ('',))[0]}"
        if scope["path"] != "/metrics" or counted != scope["principal"]:
            self._limits.count(counted)
        if token is None and self._needed and not scope["path"].startswith(BY_ADDRESS):
            del scope["token"], scope["principal"]
            raise Unauthenticated(
                "A valid token is needed: `Authorization: Bearer …` (`asgard token create`)."
            )


def needs(scope: TokenScope, *, changes: bool | None = None) -> Callable[[Request], Coroutine[Any, Any, str]]:
    """A dependency that gives the principal's name.

    What `changes` something is audited, and answered once for an `Idempotency-Key`; unless it is said,
    the scope tells. A route that writes under `predict` says so.

    Raises:
        Unauthenticated: no token, where even without `ASGARD_AUTH=on` one is needed: for scripts.
        Forbidden: a token without the scope.
    """
    changing = scope in _CHANGING if changes is None else changes

    async def principal(request: Request) -> str:  # else FastAPI would ask a thread
        return admit(request.scope, request.app.state.house.settings)

    def admit(request: Scope, settings: Settings) -> str:
        request["changes"] = changing
        token: Token | None = request["token"]
        if settings.asks_token_for(scope):
            if token is None:
                raise Unauthenticated(
                    f"This needs a token with the scope '{scope}', whatever ASGARD_AUTH says; on a machine "
                    "that nobody else uses, ASGARD_SCRIPTS=open lifts that.",
                    scope=scope,
                )
            if not token.allows(scope):
                raise Forbidden(f"This needs a token with the scope '{scope}'.", scope=scope)
        return str(request["principal"])

    principal.__dict__.update(scope=scope, admit=admit, changing=changing)
    return principal
