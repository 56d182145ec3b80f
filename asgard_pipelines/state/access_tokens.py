"""Tokens of the REST API: random, stored as hashes, scoped, expiring, revocable."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, Column, DateTime, Integer, Row, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from asgard_pipelines.errors import DeclarationNotFound, Invalid, did_you_mean
from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

Scope = Literal[
    "features:read",
    "features:write",
    "models:train",
    "predict",
    "scripts:run",
    "metrics",
    "docs",
    "page",
    "admin",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""`admin` holds all others."""
ANYBODY = "loopback"
"""The principal where no token is asked for."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_PREFIX = "asgard_"
_RANDOM_BYTES = 32

_tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("expires_at", DateTime, nullable=False),
    Column("revoked_at", DateTime),
)


class Token(BaseModel):
    """What is known of a token; the token itself is known to whom it was given. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    """The principal: who acts."""
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


def create_token(settings: Settings, name: str, scopes: Sequence[str], lasts: timedelta) -> str:
    """A new token, told this once.

    Raises:
        Invalid: a scope that is none, none at all, or a name that is none or taken.
    """
    if not _NAME.fullmatch(name) or name == ANYBODY:
        raise Invalid(
            f"'{name}' cannot be a token's name: letters, digits and . _ @ - can, up to 128, and not "
            f"'{ANYBODY}'.",
            name=name,
        )
    for scope in scopes:
        if scope not in SCOPES:
            raise Invalid(
                f"There is no scope '{scope}'.{did_you_mean(scope, SCOPES)} Scopes: {', '.join(SCOPES)}.",
                scopes=list(SCOPES),
            )
    if not scopes:
        raise Invalid(f"A token needs a scope: {', '.join(SCOPES)}.", scopes=list(SCOPES))
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    now = datetime.now(UTC)
    values = {
        "name": name,
        "digest": _digest(secret),
        "scopes": list(dict.fromkeys(scopes)),
        "created_at": now.replace(tzinfo=None),
        "expires_at": (now + lasts).replace(tzinfo=None),
    }
    try:
        with database(settings).begin() as connection:
            connection.execute(insert(_tokens).values(**values))
    except IntegrityError:
        raise Invalid(
            f"A token called '{name}' was made before: give this one another name.", name=name
        ) from None
    return secret


def find_token(settings: Settings, secret: str) -> Token | None:
    """The token, valid or not; None for one that was never given out."""
    with database(settings).connect() as connection:
        row = connection.execute(select(_tokens).where(_tokens.c.digest == _digest(secret))).one_or_none()
    return _read(row) if row else None


def tokens(settings: Settings) -> list[Token]:
    """All there ever were, oldest first."""
    with database(settings).connect() as connection:
        return [_read(row) for row in connection.execute(select(_tokens).order_by(_tokens.c.id)).all()]


def revoke_token(settings: Settings, name: str) -> None:
    """From now on it is refused. Raises DeclarationNotFound."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with database(settings).begin() as connection:
        done = connection.execute(
            update(_tokens)
            .where(_tokens.c.name == name, _tokens.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
    if not done.rowcount:
        known = [one.name for one in tokens(settings) if one.revoked_at is None]
        raise DeclarationNotFound(f"There is no token '{name}'.{did_you_mean(name, known)}", tokens=known)


def _digest(secret: str) -> str:
    # A random token of 256 bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(row: Row[tuple[object, ...]]) -> Token:
    one = Token.model_validate(row)
    times = {name: getattr(one, name) for name in ("created_at", "expires_at", "revoked_at")}
    return one.model_copy(
        update={name: time.replace(tzinfo=UTC) for name, time in times.items() if time is not None}
    )
