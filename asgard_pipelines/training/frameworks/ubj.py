"""Whether bytes are whole UBJSON: XGBoost aborts the process on bytes that are not."""

from __future__ import annotations

import struct
from collections.abc import Callable

_SIZES = {b"i": 1, b"U": 1, b"C": 1, b"I": 2, b"l": 4, b"d": 4, b"L": 8, b"D": 8}
_EMPTY = frozenset({b"Z", b"T", b"F", b"N"})
_INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_DEEPEST = 32


def check_ubj(data: bytes) -> set[str]:
    """The keys of the one object that `data` is.

    Raises:
        ValueError: anything else: truncated, something behind it, lengths past the end.
    """
    reader = _Reader(data)
    if reader.take(1) != b"{":
        raise ValueError("it does not start with an object")
    keys = reader.object(0)
    if reader.at != len(data):
        raise ValueError("something follows the object")
    return keys


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self._data):
            raise ValueError("it ends too early")
        self.at += count
        return self._data[self.at - count : self.at]

    def _skip(self, count: int) -> None:
        if count < 0 or self.at + count > len(self._data):
            raise ValueError("it ends too early")
        self.at += count

    def _peek(self) -> bytes:
        return self._data[self.at : self.at + 1]

    def _length(self) -> int:
        form = _INTEGERS.get(self.take(1))
        if form is None:
            raise ValueError("a length is no integer")
        (length,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(length)

    def object(self, depth: int) -> set[str]:
        keys: set[str] = set()
        while self._peek() != b"}":
            keys.add(self.take(self._length()).decode())
            self._value(depth + 1)
        self.at += 1
        return keys

    def _array(self, depth: int) -> None:
        if self._peek() == b"$":
            self.at += 1
            size = _SIZES.get(self.take(1))
            if size is None or self.take(1) != b"#":
                raise ValueError("a typed array is none")
            self._skip(self._length() * size)
        elif self._peek() == b"#":
            self.at += 1
            for _ in range(self._length()):
                self._value(depth + 1)
        else:
            while self._peek() != b"]":
                self._value(depth + 1)
            self.at += 1

    def _value(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        kind = self.take(1)
        nested: dict[bytes, Callable[[int], object]] = {b"{": self.object, b"[": self._array}
        if kind in nested:
            nested[kind](depth)
        elif kind == b"S":
            self.take(self._length()).decode()
        elif kind in _SIZES:
            self._skip(_SIZES[kind])
        elif kind not in _EMPTY:
            raise ValueError(f"it has a value of an unknown kind {kind!r}")
