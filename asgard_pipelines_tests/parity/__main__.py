"""A random time of pushes, landings, restatements, deletions, compactions, backfills and restarts; then every
value online beside the offline join at the same instant. Ends with 1 when any differs."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from asgard_pipelines.project import init
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.parity.world import REPO, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="make parity", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--customers", type=int, default=50_000, help="two pairs each")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        init(Path(folder) / "shop", empty=True)
        (Path(folder) / "shop" / "repo.py").write_text(REPO)
        os.environ |= {"ASGARD_REPO": f"{folder}/shop", "ASGARD_HOME": f"{folder}/home"}
        world = World(Settings.read(), asked.customers, asked.seed)
        ends = time.monotonic() + asked.minutes * 60
        while time.monotonic() < ends:
            world.happen()
        pairs, present, wrong = world.compare()
        world.pushes.close()
    print(f"seed {asked.seed}: " + ", ".join(f"{name} {count}" for name, count in sorted(world.done.items())))
    print(f"{pairs:,} pairs, {present / pairs:.1%} of them not null, {len(wrong)} differ")
    print("\n".join(wrong[:20]))
    return 1 if wrong or present < 0.9 * pairs else 0


if __name__ == "__main__":
    sys.exit(main())
