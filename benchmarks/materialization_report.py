"""The rows of `results.json` of the second materialization, and its section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.materialization import NEWER, NEWER_IN_REDIS, RESTATED, Materialized
from benchmarks.pit_goals import cpu, megabytes, wall

_TEXT = Path(__file__).with_name("materialization.md")
_CHANGES = {
    RESTATED: ("restated at their event times", 25.0),
    NEWER: ("at new event times", None),
    NEWER_IN_REDIS: ("at new event times, Redis", None),
}


def rows(found: Materialized) -> list[Row]:
    made = []
    for change, (told, ahead) in _CHANGES.items():
        ours, peer = (found.measured[f"{change}, {who}"] for who in ("ours", "feast"))
        name = f"second materialization, {found.keys:,} keys, 2 % of the files {told}"
        made += [
            row(f"{name}: CPU", cpu(ours), "CPU s", peer=cpu(peer), ahead=ahead),
            row(f"{name}: wall time", wall(ours), "s", peer=wall(peer)),
            row(f"{name}: peak memory", megabytes(ours), "MB", peer=megabytes(peer)),
            row(f"{name}: wrong runs", ours.wrong, "runs", peer=peer.wrong, at_most=0),
        ]
    read = {who: found.bytes[f"{NEWER}, {who}"] / 1e6 for who in ("ours", "feast")}
    name = f"second materialization, {found.keys:,} keys, 2 % of the files at new event times: bytes read"
    return [*made, row(name, read["ours"], "MB", peer=read["feast"])]


def section(found: Materialized, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        keys=f"{found.keys:,}",
        changed=f"{found.changed:,}",
        goals=markdown.goals(rows),
        measured=markdown.measures(found.measured),
    )
