"""What the measured tables look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

SEED = 20261121
START = datetime(2025, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
CUSTOMERS = 100_000
MARKETS = 8
FEATURES = 10
"""Per view: the first half float64, the rest int64."""


@dataclass(frozen=True)
class View:
    name: str
    rows: int
    ttl: timedelta | None

    @property
    def features(self) -> list[str]:
        return [f"{self.name}_f{number}" for number in range(FEATURES)]


VIEWS = (
    View("big", 10_000_000, YEAR),
    View("middle", 2_000_000, timedelta(days=90)),
    View("small", 500_000, None),
)
TINY = View("tiny", 10_000, None)
"""What every contender warms up on."""


@dataclass(frozen=True)
class Shape:
    """The tables of one lakehouse: the easy case, or one that is harder in one way."""

    name: str
    growth: int = 1
    """How many times the rows and the customers."""
    key: Literal["int", "string", "composite"] = "int"
    nulls: float = 0.0
    """Share of nulls in the features; a fifth of it in keys and times, four times it in created times."""
    deleted: float = 0.0
    """Share of the rows that position deletes take away."""
    appends: int = 10
    """Commits per table, at growth 1."""

    @property
    def keys(self) -> list[str]:
        return {"int": ["customer_id"], "string": ["customer"], "composite": ["customer_id", "market"]}[
            self.key
        ]


EASY = Shape("easy")
GROWN = (EASY, Shape("3x", growth=3), Shape("10x", growth=10))
HARDER = (
    Shape("string keys", key="string"),
    Shape("composite keys", key="composite"),
    Shape("nulls", nulls=0.05),
    Shape("deletes", deleted=0.02),
    Shape("many snapshots", appends=100),
)
