"""Scripts that want more than they are given: each is contained, and none outlives its job."""

from __future__ import annotations

import pytest

from asgard_pipelines_tests.scripts.conftest import Bench
from asgard_pipelines_tests.scripts.hostile import HOSTILE, Hostile

pytestmark = pytest.mark.scripts


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_a_hostile_script_is_contained(hostile: Hostile, bench: Bench) -> None:
    machine = bench.machine
    ran = bench.run(hostile.script, **hostile.limits)
    story = f"{ran.ended}\n{ran.text[-3000:]}"
    assert "ESCAPED" not in ran.text, story
    assert hostile.met(ran.ended, ran.text), story
    assert machine.visitors == [], story
    assert machine.victim.poll() is None, "a process of this machine was ended"
    assert machine.secret.read_text() == "the host's secret"
    assert {one.name for one in machine.warehouse.iterdir()} == {"rows.parquet"}
    assert (machine.warehouse / "rows.parquet").read_bytes() == b"rows"
    assert ran.seconds < 12, story
    assert len(ran.text) < 60_000
