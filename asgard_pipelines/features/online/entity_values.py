"""The entities of a read, as they were sent: which keys they name, and each value in its key's declared
type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.features.given_values import given_key


class EntityColumns:
    """Takes columns by entity or join key. `types`: join key -> declared type, for every join key of the
    views."""

    def __init__(self, declarations: Declarations, join_keys: Sequence[str]) -> None:
        kinds = {entity.join_key: entity.dtype for entity in declarations.entities}
        self._known = set(kinds)
        self._key_of = {entity.name: entity.join_key for entity in declarations.entities}
        self.types = {key: kinds[key] for key in sorted(join_keys)}
        self._check = {
            key: _CHECKS[dtype] for key, dtype in self.types.items()
        }  # `key_encoder` took the types

    def take(self, given: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """
        Raises:
            Invalid: keys that are missing, or that no view has; columns of several lengths.
            TypeMismatch: a value that is no key of its entity.
        """
        if given.keys() != self.types.keys():
            given = self._by_key(given)
        made = {}
        for key, dtype in self.types.items():
            column = self._check[key](given[key])
            made[key] = (
                list(column) if column is not None else [_value(key, one, dtype) for one in given[key]]
            )
        if len({len(column) for column in made.values()}) > 1:
            lengths = {key: len(column) for key, column in made.items()}
            raise Invalid(f"The columns of `entities` are of several lengths: {lengths}.", lengths=lengths)
        return made

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Rows instead of columns; each has to name all keys, and no others. Raises as `take`."""
        named = [self._by_key(row) for row in rows]
        return self.take({key: [row[key] for row in named] for key in self.types})

    def _by_key(self, given: Mapping[str, Any]) -> dict[str, Any]:
        named = {
            name if name in self._known else self._key_of.get(name, name): one for name, one in given.items()
        }
        self._require(named)
        if len(named) < len(given):
            names = sorted(given)
            raise Invalid(
                f"`entities` name one twice, as entity and as key: {', '.join(names)}.", names=names
            )
        return named

    def _require(self, given: Mapping[str, Any]) -> None:
        missing, extra = sorted(self.types.keys() - given.keys()), sorted(given.keys() - self.types.keys())
        if missing or extra:
            told = [f"missing: {', '.join(missing)}"] if missing else []
            told += [f"unknown: {', '.join(extra)}"] if extra else []
            raise Invalid(
                f"`entities` are not those of the features ({'; '.join(told)}).", missing=missing, extra=extra
            )


def _whole(bits: int) -> Callable[[Sequence[Any]], Sequence[Any] | None]:
    def checked(column: Sequence[Any]) -> Sequence[Any] | None:
        """The column, if all of it is as it should be; None if each value has to be looked at."""
        if set(map(type, column)) - {int}:
            return None
        return column if not column or (min(column) >= -(2**bits) and max(column) < 2**bits) else None

    return checked


def _text(column: Sequence[Any]) -> Sequence[Any] | None:
    return None if set(map(type, column)) - {str} else column


_CHECKS: dict[str, Callable[[Sequence[Any]], Sequence[Any] | None]] = {
    "string": _text,
    "int32": _whole(31),
    "int64": _whole(63),
}


def _value(name: str, value: Any, dtype: str) -> Any:
    """Raises TypeMismatch."""
    try:
        return given_key(value, dtype)
    except (ValueError, TypeError, OverflowError):
        raise TypeMismatch(
            f"Entity '{name}' is {dtype}, and {value!r} is none.", entity=name, declared=dtype
        ) from None
