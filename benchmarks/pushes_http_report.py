"""The rows of `results.json` about pushes over HTTP, and their section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.pushes_http import CASES, PushesHttp, shown

_TEXT = Path(__file__).with_name("pushes_http.md")


def rows(found: PushesHttp) -> list[Row]:
    made = []
    for case in CASES:
        for what, told, ahead in (("waited", "median wait", 10.0), ("each", "time a push", None)):
            ours, peer = (found[name, case].median(what) * 1e3 for name in ("asgard", "feast"))
            made.append(row(f"pushes_http, {shown(case)}: {told}", ours, "ms", peer=peer, ahead=ahead))
        ours, peer = (found[name, case].failed for name in ("asgard", "feast"))
        made.append(row(f"pushes_http, {shown(case)}: wrong answers", ours, "answers", peer=peer, at_most=0))
    return made


def section(found: PushesHttp, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(), scale=f"{scale:g}", machine=machine(), versions=versions(), goals=markdown.goals(rows)
    )
