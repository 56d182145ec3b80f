"""What an original document holds: its headings, routes, fields, variables, errors, programs and plans.

The five documents stand beside this file as they were given, but for the address of a registry and for what
stood in the place of secrets. `ORIGINALS=folder` reads them elsewhere.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(os.environ.get("ORIGINALS", Path(__file__).parent))
DOCUMENTS = ("000", "001", "002", "003", "004")

_HEADING = re.compile(r"^#{1,6} +(.*?) *$")
_FENCE = re.compile(r"^ *```(\w*) *$")
_ROUTES = (
    re.compile(r"\b(GET|POST|PUT|DELETE) `?((?:/[\w{}.-]+)+)"),
    re.compile(r"curl -X (\w+) http://localhost:8000((?:/[\w{}.-]+)+)"),
    re.compile(r"(curl) http://localhost:8000((?:/[\w{}.-]+)+)"),
    re.compile(
        r"\b(?:requests|client)\.(get|post)\(\s*f?\"(?:\{BASE_URL\}|http://localhost:8000)?((?:/[\w{}.-]+)+)"
    ),
    re.compile(r"@app\.(get|post)\(\"((?:/[\w{}.-]+)+)"),
)
_ROW_OF_ROUTE = re.compile(r"`(/[\w/{}.-]+)` +\| (GET|POST|PUT|DELETE)\b")
_FIELD = re.compile(r"[\"']([A-Za-z_]\w*)[\"']\s*:")
_VARIABLE = re.compile(r"(?:^|--from-literal=)([A-Z][A-Z0-9]*_[A-Z0-9_]+)=", re.MULTILINE)
_VARIABLE_TOLD = re.compile(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+) env var")
_ERROR = re.compile(r"cannot be|failed|error|not found|exception|failure", re.IGNORECASE)
_CODE = re.compile(r"\"code\": \"([A-Z_]+)\"")
_STATUS = re.compile(r"^- `(\d{3})`:", re.MULTILINE)
_PLAN = re.compile(
    r"^(?:- \[ \] (?P<box>.*)|.*\*\*(?P<soon>[^*]+)\*\*: \(Coming soon\)|- (?P<planned>.*) \(planned\))$",
    re.MULTILINE,
)
_FUTURE = "Future Enhancements"


@dataclass(frozen=True)
class Block:
    """A fenced block: `number` among those of its language under its heading, from 1."""

    heading: str
    language: str
    number: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.heading}, {self.language or 'text'} {self.number}"


@dataclass(frozen=True, order=True)
class Item:
    """`kind`: heading, route, field, variable, error, status, program or plan."""

    document: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@cache
def text(document: str) -> str:
    (path,) = FOLDER.glob(f"{document}-*.md")
    return path.read_text()


def block(document: str, name: str) -> str:
    """The text of the block of that name."""
    found = {one.name: one.text for one in blocks(document)}
    return found[name]


@cache
def blocks(document: str) -> tuple[Block, ...]:
    found: list[Block] = []
    heading, language, lines = "", None, []
    counted: Counter[tuple[str, str]] = Counter()
    headings = iter(_numbered(_headings(document)))
    for line in text(document).splitlines():
        fence = _FENCE.match(line)
        if language is None and _HEADING.match(line):
            heading = next(headings)
        elif fence and language is None:
            language, lines = fence[1], []
        elif fence and language is not None:
            counted[heading, language] += 1
            found.append(Block(heading, language, counted[heading, language], "\n".join(lines)))
            language = None
        elif language is not None:
            lines.append(line)
    return tuple(found)


@cache
def items(document: str) -> tuple[Item, ...]:
    """All of them, each once, sorted."""
    whole = text(document)
    found = {Item(document, "heading", name) for name in _numbered(_headings(document))}
    found |= {Item(document, "route", route) for route in _routes(whole)}
    for one in blocks(document):
        found |= {Item(document, "field", name) for name in _FIELD.findall(one.text)}
        found |= {Item(document, "variable", name) for name in _VARIABLE.findall(one.text)}
        if one.language != "json" and not (one.language == "" and _ERROR.search(one.text)):
            found.add(Item(document, "program", one.name))
        if one.language == "" and _ERROR.search(one.text):
            found.add(Item(document, "error", one.text.strip().splitlines()[0].replace("|", "/")))
        found |= {Item(document, "error", code) for code in _CODE.findall(one.text)}
    found |= {Item(document, "variable", name) for name in _VARIABLE_TOLD.findall(whole)}
    found |= {Item(document, "status", code) for code in _STATUS.findall(whole)}
    found |= {Item(document, "plan", plan) for plan in _plans(whole)}
    return tuple(sorted(found))


def _headings(document: str) -> Iterator[str]:
    """As letters and digits: what the documents decorate them with is no part of their names."""
    fenced = False
    for line in text(document).splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (found := _HEADING.match(line)):
            yield re.sub(r"[^\x20-\x7e]|\*", "", found[1]).strip()


def _numbered(names: Iterator[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"


def _routes(whole: str) -> Iterator[str]:
    for pattern in _ROUTES:
        for method, path in pattern.findall(whole):
            yield f"{'GET' if method == 'curl' else method.upper()} {path.rstrip('.')}"
    for path, method in _ROW_OF_ROUTE.findall(whole):
        yield f"{method} {path}"


def _plans(whole: str) -> Iterator[str]:
    for found in _PLAN.finditer(whole):
        yield next(filter(None, found.groups()))
    if _FUTURE in whole:
        section = whole.split(f"### {_FUTURE}", 1)[1].split("\n---", 1)[0]
        yield from re.findall(r"^\d\. \*\*(.*)\*\*$", section, re.MULTILINE)
        yield from re.findall(r"^ +- (.*)$", section, re.MULTILINE)
