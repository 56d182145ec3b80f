"""What differs between two declarations, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asgard_pipelines.declarations import Record
from asgard_pipelines.training.origin import Origin

_WORDS = {"where", "description", "owner", "tags"}
"""What a declaration says of itself shapes nothing."""
_OF_CANDIDATES = {"framework", "hyperparameters", "candidates", "seed", "name"}
_MISSING = object()


class Change(Record):
    """One field, as a path; a side that has none holds None."""

    field: str
    a: Any
    b: Any


def declared_changes(a: Origin, b: Origin) -> list[Change]:
    """Of the models (but not their candidates) and of the views that they stand on."""
    return list(_changes("", _shape(a), _shape(b)))


def candidate_changes(a: Origin, b: Origin) -> list[Change]:
    """Of the candidates, the seed, the threads, and the libraries' versions."""
    return list(_changes("", _fitting(a), _fitting(b)))


def _shape(origin: Origin) -> dict[str, Any]:
    declarations, resolved = origin.declarations, origin.resolved
    return {
        "model": resolved.model.model_dump(exclude=_OF_CANDIDATES),
        "source": resolved.source,
        "entity_columns": resolved.entity_columns,
        "views": {view.name: view.model_dump(exclude={"name"}) for view in declarations.all_views},
    }


def _fitting(origin: Origin) -> dict[str, Any]:
    candidate = origin.candidate
    return {
        "framework": candidate.framework,
        **candidate.hyperparameters.model_dump(),
        "seed": origin.resolved.model.seed,
        "threads": origin.threads,
        "libraries": origin.libraries,
    }


def _changes(path: str, a: Any, b: Any) -> Iterator[Change]:
    a, b = _named(a), _named(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in [name for name in dict.fromkeys([*a, *b]) if name not in _WORDS]:
            inner = f"{path}.{name}" if path else str(name)
            yield from _changes(inner, a.get(name, _MISSING), b.get(name, _MISSING))
    elif a != b:
        yield Change(field=path, a=_there(a), b=_there(b))


def _named(value: Any) -> Any:
    """A list of things with names is told apart by them, not by their places."""
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and "name" in one for one in value):
        return {one["name"]: {key: held for key, held in one.items() if key != "name"} for one in value}
    return value


def _there(value: Any) -> Any:
    """What stands on one side only is told in short."""
    if value is _MISSING:
        return None
    if isinstance(value, Mapping):
        return value.get("table") or value.get("dtype") or sorted(value)
    return value
