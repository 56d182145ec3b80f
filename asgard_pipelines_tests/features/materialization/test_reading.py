"""What a materialization reads: the files that changed, and others only where nothing else can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from asgard_pipelines.features.materialization import plan_materialization
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import materializations, watermark
from asgard_pipelines_tests.features.materialization.world import HOUR, NOON, TABLE, World, order

DAY = timedelta(days=1)
FILES, KEYS = 50, 4


@pytest.fixture
def world(settings: Settings) -> World:
    """Fifty files: each of a day, and of four customers of its own; all of it is online."""
    made = World(settings)
    for number in range(FILES):
        made.append(*(order(number * KEYS + key, number, NOON + number * DAY) for key in range(KEYS)))
    made.materialize()
    return made


def data_files(world: World) -> set[Path]:
    tasks = world.lakehouse.catalog.load(TABLE).scan().plan_files()
    return {Path(task.file.file_path.removeprefix("file://")) for task in tasks}


def hide(files: set[Path]) -> None:
    """Whoever reads one of them fails."""
    for file in files:
        file.rename(file.with_suffix(".hidden"))


@pytest.mark.parametrize("at", [NOON + 7 * DAY, NOON + 7 * DAY + HOUR, NOON + 99 * DAY])
def test_a_restated_file_costs_itself_and_what_it_replaces(world: World, at: object) -> None:
    before = data_files(world)
    world.restate(range(28, 32), *(order(key, 1000, at) for key in range(28, 32)))
    hide(before & data_files(world))
    planned = plan_materialization(world.settings, world.lakehouse, world.declarations, world.view)
    run = world.materialize()
    assert (run.files_read, run.rows_read, run.written) == (2, 8, 4)
    assert (planned.kind, planned.files, planned.rows, planned.keys_at_most) == ("difference", 2, 8, 4)
    assert world.amounts(27, 28, 31, 32) == [6, 1000, 1000, 8]


def test_an_appended_file_costs_itself(world: World) -> None:
    before = data_files(world)
    world.append(order(0, 1000, NOON + 100 * DAY), order(900, 1, NOON + 3 * DAY + HOUR))
    hide(before)
    run = world.materialize()
    assert (run.files_read, run.rows_read, run.written) == (1, 2, 2)
    assert world.amounts(0, 900) == [1000, 1]


def test_a_deletion_costs_its_file_and_those_that_may_hold_the_keys(world: World) -> None:
    world.append(order(28, 500, NOON + 99 * DAY))
    world.materialize()
    before = data_files(world)
    world.delete_rows(max(world.numbers()))
    others = [file for file in before if file in data_files(world)]
    run = world.materialize()
    assert world.amounts(28) == [7]
    assert (run.files_read, run.written) == (2, 1)  # by position: the file itself, and the one with the key
    assert len(others) == FILES + 1


def test_the_bytes_of_a_plan_are_those_that_are_read(world: World) -> None:
    world.append(*(order(key, 5, NOON + 200 * DAY) for key in range(100)))
    planned = plan_materialization(world.settings, world.lakehouse, world.declarations, world.view)
    run = world.materialize()
    assert planned.bytes <= run.bytes_read <= 3 * planned.bytes  # keys and times are read again
    window = (NOON + 3 * DAY, NOON + 4 * DAY)
    by_dates = plan_materialization(
        world.settings, world.lakehouse, world.declarations, world.view, window=window
    )
    assert (by_dates.kind, by_dates.files, by_dates.rows, by_dates.keys_at_most) == ("window", 2, 8, 8)


def test_a_killed_run_is_on_record_and_the_next_one_puts_right_what_it_left(world: World) -> None:
    first = watermark(world.settings, "orders", world.store.identity("orders"))
    world.append(*(order(key, 77, NOON + 300 * DAY) for key in range(3)))
    killed = subprocess.run(
        [sys.executable, "-c", _DIES, world.project],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert killed.returncode == -signal.SIGKILL
    (dead,) = [run for run in materializations(world.settings) if run.status != "completed"]
    assert dead.status == "interrupted"
    assert world.amounts(0, 1, 2) == [77, 77, 77]
    assert watermark(world.settings, "orders", dead.store) == first
    world.restate([1])  # what only the dead run brought is deleted before anyone comes back
    world.materialize()
    assert world.online(range(5)) == world.offline(range(5))
    assert world.amounts(0, 1, 2) == [77, None, 77]


_DIES = """
import os, signal, sys
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.features.materialization.world import World
killed = lambda done, total: os.kill(os.getpid(), signal.SIGKILL)
World(Settings.read(), sys.argv[1]).materialize(progress=killed)
"""
