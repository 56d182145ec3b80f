"""Features as they are sent: exactly the model's, each of its type, or refused by name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from asgard_pipelines.errors import Invalid, TypeMismatch
from asgard_pipelines.predictions.given_features import given_rows

INPUTS = {"orders": "int64", "spent": "float64", "city": "string", "member": "bool", "seen": "timestamp"}
GIVEN: dict[str, Any] = {
    "orders": 3,
    "spent": 4,
    "city": "Bonn",
    "member": True,
    "seen": "2025-01-01T02:00:00+02:00",
}


def test_values_of_the_right_types_make_one_row() -> None:
    row = given_rows(INPUTS, [GIVEN | {"orders": 3.0}])
    assert row.to_pylist() == [
        {"orders": 3, "spent": 4.0, "city": "Bonn", "member": True, "seen": datetime(2025, 1, 1)}
    ]


def test_null_and_numbers_that_are_not_finite_are_missing_values() -> None:
    row = given_rows(INPUTS, [dict.fromkeys(INPUTS) | {"spent": float("nan")}])
    assert row.to_pylist() == [dict.fromkeys(INPUTS)]


def test_features_that_are_missing_and_such_as_are_not_taken_are_named() -> None:
    given = {name: value for name, value in GIVEN.items() if name != "city"} | {"town": "Bonn"}
    with pytest.raises(Invalid) as caught:
        given_rows(INPUTS, [GIVEN, given])
    assert (caught.value.details["missing"], caught.value.details["extra"]) == (["city"], ["town"])
    assert caught.value.details["row"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("orders", 3.5),
        ("orders", "3"),
        ("orders", True),
        ("orders", 2**63),
        ("orders", float("inf")),
        ("spent", "4"),
        ("spent", 10**400),
        ("city", 3),
        ("member", 1),
        ("seen", "yesterday"),
        ("seen", 3),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(TypeMismatch, match=f"'{name}' is {INPUTS[name]}"):
        given_rows(INPUTS, [GIVEN, GIVEN | {name: value}])
