"""One row of `results.json`: what was measured, what it is held against, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    name: str
    ours: float | None
    """None: ours failed."""
    peer: float | None
    floor: float | None
    unit: str
    ratio_peer: float | None
    """How many times less than the peer ours is."""
    ratio_floor: float | None
    """How many times the floor ours is."""
    goal: str
    holds: bool


def row(
    name: str,
    ours: float | None,
    unit: str,
    *,
    peer: float | None = None,
    floor: float | None = None,
    ahead: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A row that holds when ours is `ahead` times less than the peer, at most `above` times the floor, and
    at most `at_most`, as far as these are given. A peer that failed is not held against ours."""
    ratio_peer = _ratio(peer, ours)
    ratio_floor = _ratio(ours, floor)
    goals, holds = [], [ours is not None]
    if ahead is not None:
        goals.append(f"at least {ahead:g}× less than the peer" + (" (which failed)" if peer is None else ""))
        holds.append(ratio_peer is None or ratio_peer >= ahead)
    if above is not None:
        goals.append(f"at most {above:g}× the floor")
        holds.append(ratio_floor is not None and ratio_floor <= above)
    if at_most is not None:
        goals.append(f"at most {at_most:g} {unit}" if at_most else "none")
        holds.append(ours is not None and ours <= at_most)
    return Row(
        name,
        _rounded(ours),
        _rounded(peer),
        _rounded(floor),
        unit,
        _rounded(ratio_peer),
        _rounded(ratio_floor),
        ", ".join(goals),
        all(holds),
    )


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
