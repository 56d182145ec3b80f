"""Which column types may be read as which, losing nothing."""

from __future__ import annotations

_WIDER = {"int32": "int64", "float32": "float64", "date": "timestamp"}


def fits(found: str, declared: str) -> bool:
    """Whether a column of type `found` may be declared as `declared`.

    The same; an integer or a float as the wider one; a decimal as float64; a date as a timestamp (its
    midnight, UTC).
    """
    return (
        found == declared
        or _WIDER.get(found) == declared
        or (found.startswith("decimal(") and declared == "float64")
    )
