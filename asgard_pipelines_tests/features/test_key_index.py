from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from asgard_pipelines.features.point_in_time import key_index
from asgard_pipelines.features.point_in_time.key_index import KeyIndex

WORD = 2**64
M0, M1 = key_index._MULTIPLIERS[:2]


def _with_the_fingerprint_of(first: int, second: int, other: int) -> int:
    """The second part that gives (`other`, it) the fingerprint that (`first`, `second`) has."""

    def mixed(word: int) -> int:
        product = word * M0 % WORD
        return (product ^ (product >> 29)) * M0 % WORD

    inverse = pow(M1, -1, WORD)
    return (mixed(first) ^ mixed(other) ^ (second * M1 % WORD)) * inverse % WORD


def _columns(*keys: tuple[int, int]) -> list[pa.ChunkedArray]:
    signed = np.array(keys, np.uint64).view(np.int64)
    return [pa.chunked_array([signed[:, 0]]), pa.chunked_array([signed[:, 1]])]


PAIR = [pa.int64(), pa.int64()]
ASKED = (7, 9)
TWIN = (8, _with_the_fingerprint_of(7, 9, 8))


def test_these_two_keys_do_have_one_fingerprint() -> None:
    words = [np.array(part, np.uint64) for part in zip(ASKED, TWIN, strict=True)]
    one, other = key_index._fingerprints(words, np.uint64(0))
    assert one == other


def test_a_key_that_only_has_the_fingerprint_of_one_asked_for_is_not_found() -> None:
    far = (WORD // 4, WORD // 4)  # so far from the other that both do not fit into one word
    index = KeyIndex(_columns(ASKED, far), PAIR)
    found = index.find([column.combine_chunks() for column in _columns(TWIN, ASKED)])
    assert found.tolist() == [-1, index.codes[0]]


def test_two_asked_keys_with_one_fingerprint_are_both_found() -> None:
    index = KeyIndex(_columns(ASKED, TWIN), PAIR)
    found = index.find([column.combine_chunks() for column in _columns(TWIN, ASKED, TWIN)])
    assert found.tolist() == [index.codes[1], index.codes[0], index.codes[1]]
    assert index.size == 2


NARROW = st.integers(-3, 3)
ANY = st.one_of(NARROW, st.integers(-(2**63), 2**63 - 1))
PAIRS = st.one_of(
    *(st.lists(st.tuples(one, other), max_size=20) for one in (NARROW, ANY) for other in (NARROW, ANY))
)


@given(PAIRS, PAIRS)
def test_pairs_are_found_exactly_when_they_are_asked_for(
    asked: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    def columns(pairs: list[tuple[int, int]]) -> list[pa.ChunkedArray]:
        return [pa.chunked_array([pa.array([pair[n] for pair in pairs], pa.int64())]) for n in (0, 1)]

    index = KeyIndex(columns(asked), PAIR)
    numbers = dict(zip(asked, index.codes.tolist(), strict=True))
    assert sorted(set(numbers.values())) == list(range(index.size)) == list(range(len(set(asked))))
    looked_up = [*others, *asked]
    found = index.find([column.combine_chunks() for column in columns(looked_up)])
    assert found.tolist() == [numbers.get(pair, -1) for pair in looked_up]


TEXT = st.text("a\0é", max_size=20)
LONG = st.builds(lambda letter, length: letter * length, st.sampled_from("ab"), st.integers(250, 260))
TEXTS = st.one_of(st.lists(TEXT, max_size=20), st.lists(st.one_of(TEXT, LONG), max_size=20))


@given(TEXTS, TEXTS)
@example(["a" * 7], ["a" * 8, "a" * 6, "a" * 15])
@example(["a" * 254], ["a" * 255, "a" * 256])
@example(["a" * 255], ["a" * 256, "a" * 511])
def test_texts_are_found_exactly_when_they_are_asked_for(asked: list[str], others: list[str]) -> None:
    index = KeyIndex([pa.chunked_array([pa.array(asked, pa.string())])], [pa.string()])
    numbers = dict(zip(asked, index.codes.tolist(), strict=True))
    looked_up = [*others, *asked]
    found = index.find([pa.array(looked_up, pa.string())])
    assert found.tolist() == [numbers.get(text, -1) for text in looked_up]
    assert index.size == len(set(asked))
