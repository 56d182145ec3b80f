"""Putting declarations in force over REST: compiled with all others first, so that all stand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asgard_pipelines.declarations import Declared, Record
from asgard_pipelines.errors import Conflict, DeclarationNotFound, InvalidDeclarations, did_you_mean
from asgard_pipelines.project.deprecations import forget_deprecation
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Made, MadeKind, made, made_history, make, unmake

_CALLED: dict[MadeKind, str] = {
    "entity": "entity",
    "feature_view": "feature view",
    "feature_service": "feature service",
    "model": "model",
    "prediction": "prediction table",
}


@dataclass(frozen=True)
class Wanted:
    """A declaration that is to stand: `sent` is compared when the same comes again."""

    kind: MadeKind
    declared: Declared
    sent: Mapping[str, Any]


def standing(settings: Settings, kind: MadeKind, name: str) -> Made | None:
    """What stands under that name, if it was made over REST."""
    return next((one for one in made(settings) if (one.kind, one.name) == (kind, name)), None)


def put(
    settings: Settings, wanted: Sequence[Wanted], author: str, *, replace: bool = False
) -> tuple[list[Made], bool]:
    """Puts all of `wanted` in force, or nothing; and whether anything changed.

    What was sent in the same words before stands already, and nothing is done.

    Raises:
        Conflict: another declaration has a name, and `replace` is off, or it is the repo's own.
        InvalidDeclarations: it does not go with what else is declared; nothing was changed.
    """
    before = made(settings)
    by_name = {(one.kind, one.name): one for one in before}
    changed: list[tuple[Wanted, Made | None]] = []
    for one in wanted:
        old = by_name.get((one.kind, one.declared.name))
        if old is not None and old.sent == one.sent:
            continue
        if old is not None and not replace:
            raise Conflict(
                f"{_CALLED[one.kind].capitalize()} '{old.name}' is declared already, otherwise. "
                "`?replace=true` puts this one in its place.",
                name=old.name,
                declared=old.sent,
            )
        changed.append((one, old))
    if changed:
        _compile_with(settings, before, changed, author)
        for one, old in changed:
            make(
                settings,
                one.kind,
                one.declared.name,
                _body(one.kind, one.declared),
                one.sent,
                author,
                replacing=old.id if old else None,
            )
    after = {(one.kind, one.name): one for one in made(settings)}
    return [after[one.kind, one.declared.name] for one in wanted], bool(changed)


def remove(settings: Settings, kind: MadeKind, name: str, author: str) -> Made:
    """Takes a declaration out of force.

    Raises:
        DeclarationNotFound: none of that name was made over REST.
        Conflict: what else is declared needs it, and is named; it stands as before.
    """
    from asgard_pipelines.project.compile import compile_repo  # imports Feast

    before = made(settings)
    old = next((one for one in before if (one.kind, one.name) == (kind, name)), None)
    if old is None:
        known = [one.name for one in before if one.kind == kind]
        raise DeclarationNotFound(
            f"No {_CALLED[kind]} '{name}' was made over REST.{did_you_mean(name, known)}", made=known
        )
    try:
        compile_repo(settings, [one for one in before if one is not old])
    except InvalidDeclarations as error:
        told = "; ".join(problem.message for problem in error.problems)
        raise Conflict(
            f"The {_CALLED[kind]} '{name}' is still needed: {told}.", problems=error.details["problems"]
        ) from None
    unmake(settings, old, author)
    forget_deprecation(settings, kind, name, author)
    return old


def replaced(settings: Settings, new: Made) -> Made | None:
    """What `new` took the place of."""
    history = made_history(settings, new.kind, new.name)
    return next((one for one in history if one.ended_at == new.made_at), None)


def withdraw(settings: Settings, new: Made, before: Made | None, author: str) -> bool:
    """Takes back a declaration that turned out to be of no use: what it replaced stands again.

    False if somebody else has changed it since: then nothing is done.

    Raises:
        Conflict: what was declared after it needs it, and is named.
    """
    stands = standing(settings, new.kind, new.name)
    if stands is None or stands.id != new.id:
        return False
    if before is None:
        remove(settings, new.kind, new.name, author)
    else:
        make(settings, new.kind, new.name, before.body, before.sent, author, replacing=new.id)
    return True


def _compile_with(
    settings: Settings, before: Sequence[Made], changed: Sequence[tuple[Wanted, Made | None]], author: str
) -> None:
    from asgard_pipelines.project.compile import compile_repo  # imports Feast

    gone = [old for _, old in changed if old is not None]
    new = [
        Made(
            id=0,
            kind=one.kind,
            name=one.declared.name,
            sent=dict(one.sent),
            body=_body(one.kind, one.declared),
            author=author,
            made_at=datetime.now(UTC),
            ended_at=None,
            ended_by=None,
        )
        for one, _ in changed
    ]
    compile_repo(settings, [*(one for one in before if one not in gone), *new])


_FOLLOWS: dict[MadeKind, set[str]] = {"model": {"where"}, "prediction": {"where", "name"}}
"""What is not said where such a declaration is read again (`documents.py`)."""


def _body(kind: MadeKind, declared: Record) -> dict[str, Any]:
    return declared.model_dump(mode="json", exclude_defaults=True, exclude=_FOLLOWS.get(kind))
