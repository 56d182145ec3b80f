"""Where no token is asked for: only programs on this machine get anywhere, and no web page does."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from asgard_pipelines.api.headers import header
from asgard_pipelines.errors import Forbidden
from asgard_pipelines.settings import is_loopback


class LoopbackOnly:
    """What comes in over another address is refused, and what a page in the user's browser sends.

    Such a page shows itself by a `Host` that is not loopback (a name that was bound anew), by an `Origin`
    of another place, or by the browser's word that the request comes from another site.

    Raises:
        Forbidden: it is such a request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            require_ours(scope)
        await self.app(scope, receive, send)


def require_ours(scope: Scope) -> None:
    """Raises Forbidden."""
    host = header(scope, b"host") or ""
    came_to = (scope.get("server") or (None,))[0]
    if not (_is_ours(came_to) and _is_ours(_name(host))):
        raise Forbidden(
            "Without tokens this server answers only to loopback: call it by 127.0.0.1 or localhost."
        )
    origin = header(scope, b"origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Forbidden("Requests from pages of another origin are refused.")
    if header(scope, b"sec-fetch-site") not in (None, "none", "same-origin"):
        raise Forbidden("Requests from pages of another site are refused.")


@lru_cache(maxsize=64)
def _is_ours(name: str | None) -> bool:
    return is_loopback(name)


@lru_cache(maxsize=64)
def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # brackets that hold no address
        return None
