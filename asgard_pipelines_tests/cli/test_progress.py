"""A run as it happens, where there is no terminal: one line per asset, and one now and then in between."""

from __future__ import annotations

import pytest

from asgard_pipelines.cli.progress import RunProgress
from asgard_pipelines.cli.row_bar import duration, per_second
from asgard_pipelines.graph import RunEvent


def test_each_asset_is_told_once_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.heard(RunEvent(kind="started", asset="gold/a"))
        for _partition in range(3):
            progress.heard(RunEvent(kind="materialized", asset="gold/a"))
        progress.heard(RunEvent(kind="checked", asset="gold/a", message="coverage passed"))
        progress.heard(RunEvent(kind="checked", asset="gold/a", message="contract failed"))
        progress.heard(RunEvent(kind="started", asset="models/[b]"))
        progress.heard(RunEvent(kind="failed", asset="models/[b]", message="no rows"))
    out, err = capsys.readouterr()
    assert out == ""
    lines = [" ".join(line.split()) for line in err.splitlines()]
    assert lines == ["✓ gold/a 0.0 s", "! gold/a: contract failed", "✗ models/[b] 0.0 s"]


def test_an_asset_of_many_rows_says_now_and_then_how_far_it_is_and_how_long_it_will_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = 1000.0
    with RunProgress(lambda: clock) as progress:
        progress.heard(RunEvent(kind="started", asset="predictions/p"))
        for done in range(0, 41, 2):
            progress.heard(RunEvent(kind="rows", asset="predictions/p", done=done * 1000, total=40_000))
            clock += 1
        progress.heard(RunEvent(kind="materialized", asset="predictions/p"))
    lines = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "predictions/p: 55 %, 2,000 rows/s, 9 s left",
        "✓ predictions/p 21.0 s, 40,000 rows at 1,900 rows/s",
    ]


def test_figures_are_rounded_to_what_can_be_read() -> None:
    assert per_second(1_234_567) == "1,230,000 rows/s"
    assert [duration(seconds) for seconds in (0.4, 59.4, 61, 3600, 7384)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "1 h 00 min",
        "2 h 03 min",
    ]
