"""Subscribers that nobody knows: what they pay, who they are, how they are bound, month by month.

They are drawn from one seed, month after month since 2019. Nobody's luck depends on how many others there
are, or on which months are asked for: with a later month, or more subscribers, each story stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from asgard_pipelines.errors import Invalid

TEST_CUSTOMER = "test_customer"
TABLES = ("customer_features", "customer_demographics", "customer_contract")
"""Each is a file of that name, and a table of the gold schema."""

_FIRST_YEAR, _JOINING_YEARS = 2019, 5
_CONTRACTS = np.array(["month-to-month", "one-year", "two-year"])
_PAYMENTS = np.array(["bank transfer", "credit card", "direct debit", "invoice"])
_GENDERS = np.array(["female", "male", "other"])
_CITIES = np.array(["Gothenburg", "Linköping", "Malmö", "Örebro", "Stockholm", "Umeå", "Uppsala", "Västerås"])
_PRICES = np.array([74.0, 58.0, 49.0])  # of a month, by contract
Array = np.ndarray  # of one number a subscriber


def synthetic_tables(customers: int, months: int, seed: int, until: str | None = None) -> dict[str, pa.Table]:
    """The rows of each of `TABLES` in the last `months` months up to `until` (`2026-11`; this month in UTC,
    when None), sorted by time. The first of a subscriber says how things stood when those months began.

    Subscribers are called CUST_000001 and so on; one more is `test_customer`. Times are naive UTC.

    Raises:
        Invalid: `until` is no month, or is before all subscribers have joined.
    """
    last = _month(until or datetime.now(UTC).strftime("%Y-%m"))
    joined_all = _JOINING_YEARS * 12
    if last < joined_all:
        raise Invalid(f"Until {until} not all have joined: begin with {_FIRST_YEAR + _JOINING_YEARS}-01.")
    first = max(last - months + 1, 0)
    people = _People(customers + 1, seed)
    found: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    for month in range(last + 1):
        people.begin(month)
        if month >= first:
            for name, rows in people.rows(month, first, last):
                found[name].append(rows)
        people.live(month)
    return {name: pa.concat_tables(parts) for name, parts in found.items()}


def _month(written: str) -> int:
    """Months since the first. Raises Invalid."""
    try:
        at = datetime.strptime(written, "%Y-%m")
    except ValueError:
        raise Invalid(f"'{written}' is no month such as 2026-11.", until=written) from None
    return (at.year - _FIRST_YEAR) * 12 + at.month - 1


def _instant(month: int) -> datetime:
    return datetime(_FIRST_YEAR + month // 12, month % 12 + 1, 1)


@dataclass
class _People:
    """All of them, as they stand at the first instant of a month. The first one is the test customer."""

    count: int
    seed: int
    tickets: list[Array] = field(default_factory=list)
    """Of each of the last three months."""

    def __post_init__(self) -> None:
        draw = self._draws("who they are")
        names = [TEST_CUSTOMER, *(f"CUST_{place:06d}" for place in range(1, self.count))]
        self.names = np.array(names)
        self.joined = (draw() * _JOINING_YEARS * 12).astype(np.int64)
        self.born = self.joined - ((18 + draw() ** 1.4 * 62) * 12).astype(np.int64)
        self.gender = np.searchsorted([0.49, 0.98], draw())
        self.city = (draw() * len(_CITIES)).astype(np.int64)
        self.contract = np.searchsorted([0.55, 0.8], draw())
        self.payment = (draw() * len(_PAYMENTS)).astype(np.int64)
        self.price = np.round(_PRICES[self.contract] * (0.6 + 0.8 * draw()), 2)
        self.trouble = 0.02 + draw() ** 3 * 0.7
        self.total = np.zeros(self.count)
        self.tickets = [np.zeros(self.count, np.int64)] * 3
        self.moved = self.rebound = np.zeros(self.count, bool)
        self.left = np.zeros(self.count, bool)

    def begin(self, month: int) -> None:
        """Moves, new contracts, other ways to pay and new prices take effect with a month."""
        draw = self._draws("what changes", month)
        there = self.joined < month
        self.moved = there & (draw() < 0.006)
        self.city = np.where(self.moved, (draw() * len(_CITIES)).astype(np.int64), self.city)
        bound = there & (draw() < 0.015)
        self.contract = np.where(bound, np.searchsorted([0.3, 0.7], draw()), self.contract)
        paying = there & (draw() < 0.01)
        self.payment = np.where(paying, (draw() * len(_PAYMENTS)).astype(np.int64), self.payment)
        self.rebound = bound | paying
        dearer = there & (draw() < 0.04)
        self.price = np.where(dearer, np.round(self.price * (0.96 + 0.14 * draw()), 2), self.price)

    def live(self, month: int) -> None:
        """What happens within a month: charges, and tickets."""
        there = self.joined <= month
        self.total = np.where(there, np.round(self.total + self.price, 2), self.total)
        # As many as of three chances come true: no draw depends on how many came true before.
        draw = self._draws("what happens", month)
        happened = sum((draw() < self.trouble).astype(np.int64) for _ in range(3))
        self.tickets = [*self.tickets[1:], np.where(there, happened, 0)]

    def rows(self, month: int, first: int, last: int) -> Iterator[tuple[str, pa.Table]]:
        """How things stand; who they are and how they are bound only where that is said anew."""
        there = self.joined <= month
        notice = self._notice(month)
        unknown = np.full(self.count, month == last)
        yield (
            "customer_features",
            self._table(
                month,
                there,
                customer_tenure_months=pa.array((month - self.joined)[there]),
                customer_monthly_charges=pa.array(self.price[there]),
                customer_total_charges=pa.array(self.total[there]),
                customer_support_tickets=pa.array(np.sum(self.tickets, axis=0)[there]),
                churn=pa.array(notice[there], mask=unknown[there]),
            ),
        )
        begins = month == np.maximum(self.joined, first)
        told = there & (begins | self.moved | ((month - self.born) % 12 == 0))
        yield (
            "customer_demographics",
            self._table(
                month,
                told,
                customer_age=pa.array(((month - self.born) // 12)[told]),
                customer_gender=pa.array(_GENDERS[self.gender[told]]),
                customer_location=pa.array(_CITIES[self.city[told]]),
            ),
        )
        told = there & (begins | self.rebound | ((month - self.joined) % 12 == 0))
        yield (
            "customer_contract",
            self._table(
                month,
                told,
                contract_type=pa.array(_CONTRACTS[self.contract[told]]),
                contract_payment_method=pa.array(_PAYMENTS[self.payment[told]]),
            ),
        )

    def _notice(self, month: int) -> Array:
        """Who gives notice within the month: rather those with tickets, a short contract, a high price."""
        leaning = -3.4 + 1.5 * (self.contract == 0) - 0.9 * (self.contract == 2)
        leaning = leaning + 0.45 * np.sum(self.tickets, axis=0) + 0.02 * (self.price - 60)
        leaning = leaning - 0.02 * (month - self.joined)
        notice: Array = self._draws("who gives notice", month)() < 1 / (1 + np.exp(-leaning))
        return notice

    def _table(self, month: int, told: Array, **columns: pa.Array) -> pa.Table:
        names = pa.array(self.names[told], pa.string())
        times = pa.array([_instant(month)] * len(names), pa.timestamp("us"))
        return pa.table({"customer_id": names, **columns, "event_timestamp": times})

    def _draws(self, what: str, month: int = 0) -> _Draws:
        return _Draws(self.count, [self.seed, month, *what.encode()])


class _Draws:
    """Each call: a number from 0 up to 1 for each subscriber; more of them change nobody's."""

    def __init__(self, count: int, seed: list[int]) -> None:
        self._count, self._seed, self._calls = count, seed, 0

    def __call__(self) -> Array:
        self._calls += 1
        return np.random.default_rng([*self._seed, self._calls]).random(self._count)
