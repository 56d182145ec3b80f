"""The online stores' rows of `results.json`, and their section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.online import Online

_TEXT = Path(__file__).with_name("online.md")
_READS = {
    ("Redis", 1): (6.0, 2.2),
    ("SQLite", 1): (4.5, None),
    ("Redis", 100): (8.0, 2.5),
    ("SQLite", 100): (4.5, None),
}
"""How many times faster than Feast, and how many times the bare wire."""
_PRECOMPUTED = "feast, precomputed, full names"


def rows(found: Online) -> list[Row]:
    made = []
    for (store, keys), medians in found.reads.items():
        name = f"online, {store}, read of {keys} keys × 20 features"
        ahead, above = _READS[store, keys]
        ours, floor = medians["ours"] * 1e6, medians.get("floor")
        bare = None if floor is None else floor * 1e6
        made.append(
            row(
                f"{name}: median",
                ours,
                "µs",
                peer=medians["feast"] * 1e6,
                floor=bare,
                ahead=ahead,
                above=above,
            )
        )
        made.append(
            row(
                f"{name}, as JSON: median",
                medians["ours, JSON"] * 1e6,
                "µs",
                peer=medians["feast"] * 1e6,
                floor=bare,
            )
        )
        if _PRECOMPUTED in medians:
            told = f"{name}, peer Feast's precomputed vectors: median"
            made.append(row(told, ours, "µs", peer=medians[_PRECOMPUTED] * 1e6))
    return made


def section(found: Online, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(),
        scale=f"{scale:g}",
        machine=machine(),
        versions=versions(),
        goals=markdown.goals(rows),
        reads=_reads(found),
        failures="\n".join(f"- {who}: {why}" for who, why in found.failures.items()) or "Nothing.",
    )


def _reads(found: Online) -> str:
    names = list(dict.fromkeys(name for medians in found.reads.values() for name in medians))
    heads = ["µs", *(f"{store}, {keys} keys" for store, keys in found.reads)]
    return markdown.table(
        heads,
        [
            [
                name,
                *(markdown.number(None if name not in by else by[name] * 1e6) for by in found.reads.values()),
            ]
            for name in names
        ],
    )
