"""`python -m benchmarks [--only PART] [--scale 1] [--out FOLDER]`; without PART, all of `PARTS`."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.goals import Row
from benchmarks.kept import Kept
from benchmarks.measure import Measured
from benchmarks.report import Section, write

PROJECT = Path(__file__).parent.parent


def main() -> int:
    asked = _arguments()
    # A warning of a peer, said in each of a hundred processes, hides the progress.
    os.environ["PYTHONWARNINGS"] = "ignore"
    warnings.simplefilter("ignore")
    console = Console()
    rows: list[Row] = []
    with console.status("") as status:
        for part, measure in PARTS.items():
            if asked.only in (None, part):
                for section in measure(asked, console, status.update):
                    write(section, asked.page, asked.results)
                rows += section.rows
    missed = [row for row in rows if not row.holds]
    for row in missed:
        console.print(f"[yellow]missed[/] {row.name}: {row.ours} {row.unit}; goal: {row.goal}")
    console.print(f"{len(rows) - len(missed)} of {len(rows)} goals hold. See {asked.page}")
    return 1 if any("wrong" in row.name for row in missed) else 0


def _pit(asked: Namespace, console: Console, told: Callable[[str], None]) -> Iterator[Section]:
    """After each experiment, so that a run that is cut short has said what it had."""
    from benchmarks import pit, pit_goals, pit_report

    found = []
    kept = Kept(asked.data / f"measured-{asked.scale:g}.json", fresh=not asked.resume)
    for one in pit.measure(asked.data, asked.scale, asked.runs, kept, told):
        console.print(f"[bold]{one.experiment.shape.name}, {one.asked:,} asked rows[/]")
        _say(console, one.measured)
        found.append(one)
        rows = pit_goals.rows(found)
        pit_report.plot(found, asked.page.parent / "images" / "performance_pit.png")
        yield Section("pit", pit_report.section(found, rows, asked.scale), rows)


def _scoring(asked: Namespace, console: Console, told: Callable[[str], None]) -> Iterator[Section]:
    from benchmarks import scoring, scoring_report

    scored = scoring.measure(asked.data, asked.scale, asked.runs, told)
    console.print(f"[bold]scoring, {scored.rows:,} rows[/]")
    _say(console, scored.measured)
    rows = scoring_report.rows(scored)
    yield Section("scoring", scoring_report.section(scored, rows, asked.scale), rows)


def _materialization(asked: Namespace, console: Console, told: Callable[[str], None]) -> Iterator[Section]:
    from benchmarks import materialization, materialization_report

    found = materialization.measure(asked.data, asked.scale, asked.runs, told)
    console.print(f"[bold]second materialization, {found.changed:,} of {found.keys:,} keys[/]")
    _say(console, found.measured)
    rows = materialization_report.rows(found)
    yield Section("materialization", materialization_report.section(found, rows, asked.scale), rows)


def _whole_materialization(
    asked: Namespace, console: Console, told: Callable[[str], None]
) -> Iterator[Section]:
    from benchmarks import whole_materialization, whole_materialization_report

    found = whole_materialization.measure(asked.data, asked.scale, asked.runs, told)
    for store, measured in found.writes.items():
        console.print(f"[bold]{found.keys:,} keys materialized to {store}[/]")
        _say(console, measured)
    rows = whole_materialization_report.rows(found)
    text = whole_materialization_report.section(found, rows, asked.scale)
    yield Section("whole_materialization", text, rows)


def _row_by_row(part: str) -> Callable[[Namespace, Console, Callable[[str], None]], Iterator[Section]]:
    """Of a part whose figures are all in its rows: `benchmarks/PART.py` and `benchmarks/PART_report.py`."""

    def measured(asked: Namespace, console: Console, told: Callable[[str], None]) -> Iterator[Section]:
        measures, report = import_module(f"benchmarks.{part}"), import_module(f"benchmarks.{part}_report")
        found = measures.measure(asked.data, asked.scale, asked.runs, told)
        rows = report.rows(found)
        for one in rows:
            console.print(f"  {one.name}: {one.ours} {one.unit}, peer {one.peer}, floor {one.floor}")
        yield Section(part, report.section(found, rows, asked.scale), rows)

    return measured


def _say(console: Console, measured: Mapping[str, Measured]) -> None:
    for name, one in measured.items():
        said = one.failure or f"{one.cpu:.2f} CPU s, {one.wall:.2f} s, {one.peak / 1e6:,.0f} MB"
        console.print(f"  {name}: {said}" + (f", {one.wrong:,} wrong" if one.wrong else ""))


PARTS = {
    "pit": _pit,
    "scoring": _scoring,
    "online": _row_by_row("online"),
    "online_http": _row_by_row("online_http"),
    "whole_materialization": _whole_materialization,
    "materialization": _materialization,
    "pushes": _row_by_row("pushes"),
    "pushes_http": _row_by_row("pushes_http"),
}


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="benchmarks", description="Measures, and writes docs/performance.md.")
    parser.add_argument("--only", choices=list(PARTS), help="one part; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all rows")
    parser.add_argument("--runs", type=int, default=5, help="of each contender, at most")
    parser.add_argument(
        "--resume", action="store_true", help="keep what a run that was cut short has measured"
    )
    parser.add_argument("--data", type=Path, help="where generated data is kept")
    parser.add_argument("--out", type=Path, help="a folder for the report, if not the project's own")
    asked = parser.parse_args()
    asked.data = (asked.data or Path(tempfile.gettempdir()) / "asgard_bench").absolute()
    asked.page = asked.out / "performance.md" if asked.out else PROJECT / "docs" / "performance.md"
    asked.results = (asked.out or PROJECT / "benchmarks") / "results.json"
    return asked


if __name__ == "__main__":
    sys.exit(main())
