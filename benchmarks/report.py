"""`docs/performance.md` and `results.json`. A part that was not measured now keeps what it said before."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.goals import Row

_HEAD = Path(__file__).with_name("page.md")
"""What the page says before its sections."""


@dataclass(frozen=True)
class Section:
    part: str
    text: str
    rows: Sequence[Row]


def write(section: Section, page: Path, results: Path) -> None:
    """Puts the section into the page, and its rows into the results."""
    sections = _sections(page.read_text() if page.exists() else "")
    sections[section.part] = section.text.strip()
    body = "".join(
        f"\n<!-- {part} -->\n{text}\n<!-- end of {part} -->\n" for part, text in sorted(sections.items())
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_HEAD.read_text() + body)
    kept = json.loads(results.read_text()) if results.exists() else []
    others = [row for row in kept if not row["name"].startswith(f"{section.part}, ")]
    rows = sorted([*others, *map(asdict, section.rows)], key=lambda row: row["name"].partition(",")[0])
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _sections(page: str) -> dict[str, str]:
    return {
        found[1]: found[2].strip()
        for found in re.finditer(r"<!-- (\w+) -->\n(.*?)<!-- end of \1 -->", page, re.DOTALL)
    }
