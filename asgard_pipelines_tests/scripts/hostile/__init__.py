"""Hostile scripts. Each tries its ways, says ESCAPED of any that works, and at the end that it is DONE."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.network import NETWORK
from asgard_pipelines_tests.scripts.hostile.outliving import OUTLIVING
from asgard_pipelines_tests.scripts.hostile.powers import POWERS
from asgard_pipelines_tests.scripts.hostile.reading import READING
from asgard_pipelines_tests.scripts.hostile.script import Hostile
from asgard_pipelines_tests.scripts.hostile.the_house import THE_HOUSE
from asgard_pipelines_tests.scripts.hostile.using_up import USING_UP

HOSTILE = [*NETWORK, *USING_UP, *READING, *OUTLIVING, *POWERS, *THE_HOUSE]

__all__ = ["HOSTILE", "Hostile"]
