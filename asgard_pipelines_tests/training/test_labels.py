"""Labels are read as what they are, and the positive class is the one that is documented."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.training.labels import UNSEEN, classes_of, codes_of, normalised, positive_label


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([True, False, None], [False, True]),
        ([3, 1, 1], [1, 3]),
        ([0.0, 1.0, float("nan")], [0, 1]),
        (["no", "yes"], ["no", "yes"]),
    ],
)
def test_classes_are_sorted_and_keep_their_type(values: list[Any], classes: list[Any]) -> None:
    label = normalised(pa.chunked_array([values]), "label", "classification").drop_null()
    found = classes_of(label, "label")
    assert found == classes
    assert [type(one) for one in found] == [type(one) for one in classes]
    assert set(codes_of(label, found)) == set(range(len(classes)))


def test_a_class_that_training_lacks_has_no_code() -> None:
    assert codes_of(pa.chunked_array([["a", "b"]]), ["a"]).tolist() == [0, UNSEEN]


@pytest.mark.parametrize(
    ("values", "model_type", "message"),
    [
        ([0.5, 1.0], "classification", "model_type: regression"),
        (["a"], "regression", "model_type: classification"),
        ([[1]], "classification", "bool, a whole number or a string"),
    ],
)
def test_a_label_of_the_wrong_kind_is_refused(values: list[Any], model_type: Any, message: str) -> None:
    with pytest.raises(TypeMismatch, match=message):
        normalised(pa.chunked_array([values]), "label", model_type)


def test_a_class_per_row_is_a_regression() -> None:
    with pytest.raises(Invalid, match="regression"):
        classes_of(pa.chunked_array([list(range(2000))]), "label")


@pytest.mark.parametrize(
    ("classes", "declared", "positive"),
    [
        ([False, True], None, True),
        ([False, True], True, True),
        ([False, True], 1, True),
        ([0, 1], None, 1),
        ([0, 1], True, 1),
        ([1, 2], None, 1),
        ([2, 3], None, 3),
        (["lost", "won"], None, "won"),
        (["lost", "won"], "lost", "lost"),
    ],
)
def test_the_positive_class(classes: list[Any], declared: Any, positive: Any) -> None:
    assert positive_label(classes, declared, "label") is positive


@pytest.mark.parametrize(
    ("classes", "declared", "message"),
    [
        (["lost", "won"], "drawn", "not a class"),
        ([False, True], False, "is True"),
    ],
)
def test_a_positive_label_that_cannot_be_is_refused(classes: list[Any], declared: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        positive_label(classes, declared, "label")
