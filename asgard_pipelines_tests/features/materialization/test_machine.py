"""Whatever happens to a table, in any order: after a materialization the store holds what the join gives."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from asgard_pipelines.features.materialization import difference
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.materialization.world import HOUR, NOON, World, order

KEYS = range(3)
_hours = st.integers(-2, 2)
_orders = st.lists(
    st.builds(
        lambda customer, amount, hour, created: order(
            customer,
            amount,
            NOON + hour * HOUR,
            created=None if created is None else NOON + created * HOUR,
            city="Bonn",
        ),
        st.sampled_from(KEYS),
        st.none() | st.integers(0, 9),
        _hours,
        st.none() | _hours,
    ),
    min_size=1,
    max_size=4,
)


class Killed(Exception):
    """The run's process is no more."""


class Table(RuleBasedStateMachine):
    """Time goes on from NOON - 1 h, an hour at a time, so that rows lie ahead of it too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.hour = -1

    @property
    def now(self) -> datetime:
        return (NOON + self.hour * HOUR + timedelta(minutes=1)).replace(tzinfo=UTC)

    @initialize(rows=_orders)
    def first(self, rows: list[dict[str, Any]]) -> None:
        self.world = World(Settings(home=Path(self.folder.name)))
        self.world.append(*rows)

    @rule(rows=_orders)
    def append(self, rows: list[dict[str, Any]]) -> None:
        self.world.append(*rows)

    @rule(customer=st.sampled_from(KEYS), rows=_orders)
    def restate(self, customer: int, rows: list[dict[str, Any]]) -> None:
        self.world.restate([customer], *(row | {"customer": customer} for row in rows))

    @rule(customer=st.sampled_from(KEYS))
    def delete_key(self, customer: int) -> None:
        self.world.restate([customer])

    @rule(data=st.data())
    def delete_by_position(self, data: st.DataObject) -> None:
        numbers = self.world.numbers()
        if numbers:
            self.world.delete_rows(*data.draw(st.sets(st.sampled_from(numbers), min_size=1, max_size=3)))

    @rule()
    def compact(self) -> None:
        self.world.compact()

    @rule(rows=_orders)
    def made_anew(self, rows: list[dict[str, Any]]) -> None:
        self.world.made_anew(*rows)

    @rule()
    def time_passes(self) -> None:
        self.hour += 1

    @rule(first=_hours, hours=st.integers(0, 4))
    def window(self, first: int, hours: int) -> None:
        start = NOON + first * HOUR
        self.world.materialize(as_of=self.now, window=(start, start + hours * HOUR))

    @rule(before_ties=st.booleans())
    def killed(self, before_ties: bool) -> None:
        """A run writes something, or all it has to, and is killed before it can say so."""

        def dies(*_: Any) -> None:
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(difference, "_write_ties" if before_ties else "_put_back", dies)
            try:
                self.world.materialize(as_of=self.now)
            except Killed:
                return

    @rule()
    def materialize(self) -> None:
        self.world.materialize(as_of=self.now)
        online, offline = (side(list(KEYS), self.now) for side in (self.world.online, self.world.offline))
        assert online == offline
        assert self.world.store.count(self.world.view) == sum(row != _NOTHING for row in offline)

    def teardown(self) -> None:
        self.folder.cleanup()


_NOTHING = {"amount": None, "city": None}


def test_the_store_holds_what_the_join_gives() -> None:
    run_state_machine_as_test(
        Table,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
