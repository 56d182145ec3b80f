"""Addresses of stores as everybody may see them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

_HIDDEN = "***"
_SCHEMES = {"postgres": "postgresql", "rediss": "redis"}


def kind_of(address: str) -> str:
    """`postgresql`, `sqlite`, `redis`, …"""
    scheme = address.split(":", 1)[0].split("+")[0]
    return _SCHEMES.get(scheme, scheme)


def shown(address: str) -> str:
    """Without its password, without what its query says (a key may be among it), and of a file in the home
    only the name: no folder of the server."""
    parts = urlsplit(address)
    if parts.scheme.startswith("sqlite"):
        return f"{parts.scheme}:///{parts.path.rpartition('/')[2]}"
    place = parts.netloc.rpartition("@")[2]
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0].partition(":")
        place = f"{user[0]}{':' + _HIDDEN if user[1] else ''}@{place}"
    query = "&".join(f"{name}={_HIDDEN}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return parts._replace(netloc=place, query=query, fragment="").geturl()
