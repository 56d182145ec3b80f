"""Keys of several narrow columns as one number each: compared, and looked up, several times faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
_MOST = 2**62


def packing(asked: Sequence[Words]) -> Callable[[Sequence[Words]], list[Words]]:
    """What makes one word of a key's words, equal exactly when they are; or leaves them, where it cannot.

    It can where the ranges of the asked keys' words, multiplied, stay below 2^62. Other keys, with a word
    out of its range, all become one number that no asked key has.
    """
    if len(asked) < 2 or not len(asked[0]):
        return list
    firsts = [int(word.view(np.int64).min()) for word in asked]
    sizes = [int(word.view(np.int64).max()) - first + 1 for word, first in zip(asked, firsts, strict=True)]
    if prod(sizes) >= _MOST:
        return list

    def packed(words: Sequence[Words]) -> list[Words]:
        whole = np.zeros(len(words[0]), np.uint64)
        inside = np.ones(len(words[0]), dtype=bool)
        for word, first, size in zip(words, firsts, sizes, strict=True):
            place = word - np.uint64(first % 2**64)
            inside &= place < size
            whole = whole * np.uint64(size) + place
        whole[~inside] = prod(sizes)
        return [whole]

    return packed
