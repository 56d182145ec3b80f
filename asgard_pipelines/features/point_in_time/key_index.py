"""Numbers for keys: built once from the keys that are asked for, then asked for millions of others.

A key of one or more columns is a fixed number of 64-bit words, equal exactly when the keys are. A
single integer within a narrow range, or several that make one, is looked up by its place; everything
else in a hash table with open addressing, which is filled and probed in whole columns (pandas' and
Arrow's tables either take one column of one type, or are built anew for each batch).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.errors import TypeMismatch
from asgard_pipelines.features.kinds import (
    Bools,
    Ints,
    instants,
    is_binary,
    is_string,
    is_time,
    numbers,
    same_kind,
)
from asgard_pipelines.features.point_in_time.packed_words import Words, packing

Codes = npt.NDArray[np.int32]
"""One number per row; -1 for a key that is not among those asked for, or has a null part."""

_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
"""Odd constants with their bits well spread: the golden ratio's, and those of xxHash and MurmurHash."""
_SPARSE = 16
"""A table of places may have this many times more entries than there are keys."""


class KeyIndex:
    """The distinct keys of `asked`, one array per key column (all of one length).

    Raises:
        TypeMismatch: a column that is no key (an array), or is compared with one of another kind.
    """

    def __init__(self, asked: Sequence[pa.ChunkedArray], kinds: Sequence[pa.DataType]) -> None:
        """`kinds`: the types of the columns in which keys are looked up."""
        asked = [
            one.cast(kind) if pa.types.is_null(one.type) else one
            for one, kind in zip(asked, kinds, strict=True)
        ]
        self._readers = [_reader(one, kind) for one, kind in zip(asked, kinds, strict=True)]
        words, present = self._words([one.combine_chunks() for one in asked])
        words = [word[present] for word in words]
        self._packed = packing(words)
        self._keys, codes = _distinct(self._packed(words))
        self.codes = np.full(len(present), -1, np.int32)
        """The asked rows' own numbers."""
        self.codes[present] = codes
        self.size = len(self._keys[0])
        self._find = self._by_place() or self._by_hash()

    def find(self, keys: Sequence[pa.Array]) -> Codes:
        """The numbers of other rows' keys."""
        words, present = self._words(keys)
        codes = self._find(self._packed(words))
        codes[~present] = -1
        return codes

    def _words(self, columns: Sequence[pa.Array]) -> tuple[list[Words], Bools]:
        words: list[Words] = []
        present = np.ones(len(columns[0]), dtype=bool)
        for column, read in zip(columns, self._readers, strict=True):
            if column.type == pa.uint64():  # beyond int64 nothing equals it
                small = pc.less(column, pa.scalar(2**63, pa.uint64()))
                column = pc.if_else(small, column, None).cast(pa.int64())
            words += read(column)
            if column.null_count:
                present &= numbers(column.is_valid()).astype(bool)
        return words, present

    def _by_place(self) -> Callable[[list[Words]], Codes] | None:
        if len(self._keys) > 1 or not self.size:
            return None
        keys = self._keys[0].view(np.int64)
        first, span = int(keys.min()), _span(keys)
        if span > _SPARSE * len(keys) + 1024:
            return None
        places = np.full(span + 2, -1, np.int32)  # the last one is for all that lies outside
        places[keys - first] = np.arange(len(keys), dtype=np.int32)
        outside = np.uint64(span + 1)

        def find(words: list[Words]) -> Codes:
            at = np.minimum(words[0] - np.uint64(first % 2**64), outside).view(np.int64)
            codes: Codes = places.take(at)
            return codes

        return find

    def _by_hash(self) -> Callable[[list[Words]], Codes]:
        own = np.arange(self.size, dtype=np.int32)
        for seed in count():
            find = self._hash_table(np.uint64(seed))
            # Of two keys with one fingerprint only the first is ever found: then another hash.
            if np.array_equal(find(self._keys), own):
                return find
        raise AssertionError("unreachable")

    def _hash_table(self, seed: np.uint64) -> Callable[[list[Words]], Codes]:
        """Keys are told apart by fingerprints of one word each, and compared in full at the end."""
        bits = max(self.size * 2, 16).bit_length()
        table = np.full(1 << bits, -1, np.int32)
        known = _fingerprints(self._keys, seed)
        left = np.arange(self.size, dtype=np.int32)
        at, step = _route(known, bits)
        while len(left):
            free = table.take(at) < 0
            table[at[free]] = left[free]  # of several that want one place, the last gets it
            moved = table.take(at) != left
            left, step = left[moved], step[moved]
            at = (at[moved] + step) & (len(table) - 1)

        def find(words: list[Words]) -> Codes:
            asked = _fingerprints(words, seed)
            at, step = _route(asked, bits)
            codes = table.take(at)
            rows = np.flatnonzero(_other(known, codes, asked))
            at, step, asked = at[rows], step[rows], asked[rows]
            while len(rows):
                at = (at + step) & (len(table) - 1)
                named = table.take(at)
                codes[rows] = named
                wrong = _other(known, named, asked)
                rows, at, step, asked = rows[wrong], at[wrong], step[wrong], asked[wrong]
            for held, word in zip(self._keys, words, strict=True):
                codes[_other(held, codes, word)] = -1
            return codes

        return find


def _fingerprints(words: Sequence[Words], seed: np.uint64) -> Words:
    mixed = np.full(len(words[0]), seed)
    for number, word in enumerate(words):
        mixed ^= word * np.uint64(_MULTIPLIERS[number % len(_MULTIPLIERS)])
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(_MULTIPLIERS[0])
    return mixed


def _route(fingerprints: Words, bits: int) -> tuple[Ints, Ints]:
    """Where in a table each is looked for first, and how far on each time it is not found there."""
    at: Ints = (fingerprints >> np.uint64(64 - bits)).view(np.int64)
    step: Ints = (fingerprints & np.uint64((1 << bits) - 1) | np.uint64(1)).view(np.int64)
    return at, step


def _other(known: Words, codes: Codes, words: Words) -> Bools:
    """Which rows have another word than the key that `codes` names."""
    if not len(known):
        return np.zeros(len(codes), dtype=bool)
    result: Bools = (known.take(codes, mode="wrap") != words) & (codes >= 0)
    return result


def _distinct(words: list[Words]) -> tuple[list[Words], Codes]:
    """The distinct keys, and for each row which of them it has."""
    if len(words) == 1:
        counted = _counted(words[0].view(np.int64))
        if counted is not None:
            return counted
        keys, codes = np.unique(words[0], return_inverse=True)
        return [keys], codes.astype(np.int32)
    order = np.lexsort(words)
    begins = np.zeros(len(order), dtype=bool)
    begins[:1] = True
    for word in words:
        ordered = word[order]
        begins[1:] |= ordered[1:] != ordered[:-1]
    of_row: Codes = np.empty(len(order), np.int32)
    of_row[order] = np.cumsum(begins) - 1
    return [word[order][begins] for word in words], of_row


def _counted(values: Ints) -> tuple[list[Words], Codes] | None:
    """The same without sorting, where the values lie close together."""
    if not len(values) or _span(values) > _SPARSE * len(values) + 1024:
        return None
    first = values.min()
    there = np.zeros(_span(values) + 1, dtype=bool)
    there[values - first] = True
    keys = np.flatnonzero(there)
    number = np.cumsum(there, dtype=np.int32) - np.int32(1)
    return [(keys + first).view(np.uint64)], number.take(values - first)


def _span(values: Ints) -> int:
    return int(values.max()) - int(values.min())


def _reader(asked: pa.ChunkedArray, kind: pa.DataType) -> Callable[[pa.Array], list[Words]]:
    """How a key column, on either side, becomes words."""
    if not same_kind(asked.type, kind) or pa.types.is_nested(kind):
        raise TypeMismatch(
            f"A key of type {asked.type} cannot be looked up in one of type {kind}.",
            declared=str(kind),
            found=str(asked.type),
        )
    if is_time(kind):
        return lambda column: [instants(pa.chunked_array([column]))[0].view(np.uint64)]
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return lambda column: [_filled(column).view(np.uint64)]
    if pa.types.is_floating(kind):
        return lambda column: [_float_words(column)]
    if not (is_string(kind) or is_binary(kind) or pa.types.is_decimal(kind)):
        raise TypeMismatch(f"A column of type {kind} cannot be a key.", found=str(kind))
    text = pa.large_binary() if is_binary(kind) else pa.large_string()
    if pa.types.is_decimal(kind):
        kind = _decimal_of_both(asked.type, kind)
    try:
        widest = _bytes(asked.cast(kind).combine_chunks().cast(text))[1].max(initial=0)
    except pa.ArrowInvalid as error:
        raise TypeMismatch(
            f"A key of type {asked.type} does not fit {kind}: {error}.",
            declared=str(kind),
            found=str(asked.type),
        ) from None
    return lambda column: _text_words(column.cast(kind).cast(text), int(widest))


def _decimal_of_both(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """What holds the values of either as they are, up to the 76 digits that Arrow has."""
    scale = max(one.scale, other.scale)
    whole = max(one.precision - one.scale, other.precision - other.scale)
    return pa.decimal256(min(whole + scale, 76), scale)


def _filled(column: pa.Array) -> Ints:
    return numbers(column.fill_null(pa.scalar(0).cast(column.type)) if column.null_count else column)


def _float_words(column: pa.Array) -> Words:
    values = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    words: Words = (values + 0.0).view(np.uint64)  # -0.0 equals 0.0
    return words


def _bytes(column: pa.Array) -> tuple[Ints, Ints, npt.NDArray[np.uint8]]:
    """Where each value begins, how long it is (a null: 0), and all the bytes, eight more than there are."""
    _, offsets, data = column.buffers()
    edges = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    low, high = int(edges[0]), int(edges[-1])
    padded = np.zeros(high - low + 8, np.uint8)
    if data is not None:
        padded[: high - low] = np.frombuffer(data, np.uint8)[low:high]
    return edges[:-1] - low, np.diff(edges), padded


def _text_words(column: pa.Array, widest: int) -> list[Words]:
    """The bytes by eights, as many as the longest key that is asked for has; and the length, in the last of
    them, which has a byte to spare. What is longer than all that is asked for has a length of its own."""
    starts, lengths, data = _bytes(column)
    # One word at every byte: numpy reads it where it stands, whatever its alignment.
    eights: Words = np.ndarray((len(data) - 7,), dtype="<u8", buffer=data, strides=(1,))
    shortest = int(lengths.min(initial=0))
    words = []
    for first in range(0, widest + 1, 8):
        if shortest >= first + 8:
            words.append(eights[starts + first])
        else:
            left = np.clip(lengths - first, 0, 8)
            words.append(eights[np.minimum(starts + first, len(data) - 8)] & _MASKS.take(left))
    if widest >= _MOST_IN_A_BYTE:
        return [*words, lengths.astype(np.uint64)]
    length = np.minimum(lengths, widest + 1).astype(np.uint64)
    words[-1] = (words[-1] & _MASKS[7]) | (length << np.uint64(56))
    return words


_MOST_IN_A_BYTE = 255
_MASKS: Words = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
