"""A run as it happens, where there is no terminal: one line per asset."""

from __future__ import annotations

import pytest

from asgard_pipelines.cli.progress import RunProgress
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
