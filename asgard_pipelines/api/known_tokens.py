"""The tokens that were valid a moment ago, so that not every request has to look one up."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime

from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Token, find_token

KNOWN_SECONDS = 1.0
"""For so long one that has been revoked may still be taken. When it expires is looked at each time."""
_MOST = 4096


class KnownTokens:
    """Only tokens that are valid are held, by a hash of the header: who guesses fills nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: dict[bytes, tuple[float, float, Token]] = {}
        """By when it is to be looked up again, and when it expires."""

    def held(self, authorization: str) -> Token | None:
        """The valid token in an `Authorization` header, if it was looked up just now."""
        held = self._held.get(_key(authorization))
        if held is not None and time.monotonic() < held[0] and time.time() < held[1]:
            return held[2]
        return None

    async def find(self, authorization: str) -> Token | None:
        """The valid token in an `Authorization` header."""
        looked_at = time.monotonic()
        token = await run_in_threadpool(self._found, authorization)
        if token is None:
            self._held.pop(_key(authorization), None)
            return None
        if len(self._held) >= _MOST:
            self._held.clear()
        expires = token.expires_at.timestamp()
        self._held[_key(authorization)] = (looked_at + KNOWN_SECONDS, expires, token)
        return token

    def _found(self, authorization: str) -> Token | None:
        scheme, secret = get_authorization_scheme_param(authorization)
        token = find_token(self._settings, secret) if scheme.lower() == "bearer" and secret else None
        return token if token and token.valid(datetime.now(UTC)) else None


def _key(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode("latin-1")).digest()
