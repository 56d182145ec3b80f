"""The rows of `results.json` of online features over HTTP, and its section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks import markdown
from benchmarks.goals import Row, row
from benchmarks.machine import machine, now, versions
from benchmarks.online_http import CASES, OnlineHttp, shown

_TEXT = Path(__file__).with_name("online_http.md")
_AHEAD, _P99, _ABOVE, _CPU = 10.0, 8.0, 1.5, 12.0


def rows(found: OnlineHttp) -> list[Row]:
    """The peer is stock Feast's feature server, the floor the empty route."""
    made = []
    for case in CASES:
        name = f"online_http, {shown(case)}"
        by = {
            what: {server: found[server, case].median(what) * 1e6 for server in ("asgard", "feast", "empty")}
            for what in ("each", "p99", "cpu")
        }
        single = case.keys == 1
        for what, told, ahead, above in (
            ("each", "time a request", _AHEAD if single else None, _ABOVE if single else None),
            ("p99", "99th percentile", _P99 if single else None, None),
            ("cpu", "CPU a request", None if single else _CPU, None),
        ):
            one = by[what]
            made.append(
                row(
                    f"{name}: {told}",
                    one["asgard"],
                    "µs",
                    peer=one["feast"],
                    floor=one["empty"],
                    ahead=ahead,
                    above=above,
                )
            )
        failed = found["asgard", case].failed
        made.append(row(f"{name}: wrong answers", failed, "answers", at_most=0))
    return made


def section(found: OnlineHttp, rows: Sequence[Row], scale: float) -> str:
    return Template(_TEXT.read_text()).substitute(
        when=now(), scale=f"{scale:g}", machine=machine(), versions=versions(), goals=markdown.goals(rows)
    )
