"""YAML as declarations need it: every value with its line, and pydantic's errors as Problems there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from asgard_pipelines.declarations import Record, Where
from asgard_pipelines.errors import InvalidDeclarations, Problem, did_you_mean

Path = tuple[str | int, ...]
R = TypeVar("R", bound=Record)

_QUOTED = re.compile(r"`(\w+)")


class _Loader(yaml.SafeLoader):
    """Plain values only. `on`, `yes` and `1997-02-01` stay the words they are; pydantic reads dates."""


_Loader.yaml_implicit_resolvers = {
    first: [
        rule for rule in rules if rule[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    ]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first, _word in (("t", "true"), ("T", "True"), ("f", "false"), ("F", "False")):
    _rule = ("tag:yaml.org,2002:bool", re.compile(f"{_word}$"))
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(_rule)


@dataclass(frozen=True)
class Document:
    """A mapping read from a file; `lines` says where each value's key stands."""

    file: str
    data: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """The line of the value at `path`, or of the nearest thing around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, message: str, *path: str | int) -> Problem:
        return Problem(self.file, self.line(*path), ".".join(map(str, path)), message)

    def where(self) -> Where:
        return Where(file=self.file, line=self.line())


def read_text(path: FilePath, file: str) -> str:
    """The text of a declaration, without the mark that some editors begin UTF-8 with.

    Raises:
        InvalidDeclarations: it is not UTF-8.
    """
    written = path.read_bytes()
    try:
        return written.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = written.count(b"\n", 0, error.start) + 1
        text = f"this is no UTF-8 (byte {written[error.start]:#04x}): save the file as UTF-8"
        raise InvalidDeclarations([Problem(file, line, "", text)]) from None


def read_document(text: str, file: str, first_line: int = 1) -> Document:
    """The document in `text`, whose first line is line `first_line` of `file`.

    Raises:
        InvalidDeclarations: it is no YAML, no mapping, or says a key twice.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise InvalidDeclarations(
                [Problem(file, first_line, "", "fields are expected here, as `name: value`")]
            )
        lines: dict[Path, int] = {}
        problems = list(_walk(node, (), first_line, lines, file))
        if problems:
            raise InvalidDeclarations(problems)
        return Document(file, loader.construct_document(node), lines)
    except yaml.reader.ReaderError as error:
        line = first_line + text.count("\n", 0, error.position)
        message = f"this is no YAML: character U+{error.character:04X} cannot stand in it"
        raise InvalidDeclarations([Problem(file, line, "", message)]) from None
    except yaml.MarkedYAMLError as error:
        line = first_line + (error.problem_mark.line if error.problem_mark else 0)
        raise InvalidDeclarations([Problem(file, line, "", f"this is no YAML: {error.problem}")]) from None


def _walk(
    node: yaml.Node,
    path: Path,
    first: int,
    lines: dict[Path, int],
    file: str,
    around: tuple[yaml.Node, ...] = (),
) -> list[Problem]:
    problems = []
    lines.setdefault(path, first + node.start_mark.line)
    if any(node is one for one in around):
        where = ".".join(map(str, path))
        return [Problem(file, lines[path], where, "this holds itself: an alias to what is around it")]
    around = (*around, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in lines:
                text = f"'{key.value}' stands here a second time"
                problems.append(Problem(file, first + key.start_mark.line, ".".join(map(str, inner)), text))
            lines[inner] = first + key.start_mark.line
            problems += _walk(value, inner, first, lines, file, around)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            problems += _walk(value, (*path, index), first, lines, file, around)
    return problems


def declare(kind: type[R], document: Document, **more: Any) -> R:
    """The declaration in `document`; `more` are values the file does not say itself.

    Raises:
        InvalidDeclarations: one Problem per bad field.
    """
    reserved = [
        document.problem("this is not for you to say", key) for key in ("where",) if key in document.data
    ]
    if reserved:
        raise InvalidDeclarations(reserved)
    try:
        return kind.model_validate({"where": document.where(), **document.data, **more})
    except ValidationError as error:
        raise InvalidDeclarations(_problems(kind, document, error)) from None


def _problems(kind: type[BaseModel], document: Document, error: ValidationError) -> list[Problem]:
    """One for each place. Of a union that took no alternative, only what is said furthest in counts."""
    told: dict[str, Problem] = {}
    for one in error.errors():
        problem = _problem(kind, document, dict(one))
        before = told.get(problem.field)
        if before and before.message != problem.message:
            text = f"{before.message}; or: {problem.message}"
            problem = Problem(problem.file, problem.line, problem.field, text)
        told[problem.field] = problem
    return [
        problem
        for field, problem in told.items()
        if not field or not any(other.startswith(f"{field}.") for other in told)
    ]


def _problem(kind: type[BaseModel], document: Document, error: dict[str, Any]) -> Problem:
    path = _known_path(document, error["loc"])
    if error["type"] == "extra_forbidden":
        known = _fields_at(kind, path[:-1])
        message = f"there is no field '{path[-1]}'.{did_you_mean(str(path[-1]), known)}"
        return document.problem(message + (f" Fields: {', '.join(known)}." if known else ""), *path)
    if error["type"] == "missing":
        missing = str(error["loc"][-1])
        at = document.problem(f"'{missing}' is missing", *path)
        return Problem(at.file, at.line, ".".join(map(str, (*path, missing))), at.message)
    message = error["msg"].removeprefix("Value error, ")
    if (
        error["type"] == "value_error"
    ):  # an error between fields: at the first that it names and that is there
        named = ((*path, word) for word in _QUOTED.findall(message))
        path = next((inner for inner in named if inner in document.lines), path)
    if error["type"] == "string_pattern_mismatch":
        message = "a name is made of letters, digits and _, and begins with no digit"
    if error["type"] in ("model_type", "dict_type"):
        message = "fields are expected here, as `name: value`"
    if error["type"] != "value_error" and path and not isinstance(error["input"], dict | list):
        message += f"; {error['input']!r} is not"
    return document.problem(message, *path)


def _known_path(document: Document, loc: tuple[str | int, ...]) -> Path:
    """pydantic's location without what is not in the file: names of union members, `[key]`."""
    path: Path = ()
    for part in loc:
        if (*path, part) in document.lines:
            path = (*path, part)
    return path


def _fields_at(kind: type[BaseModel], path: Path) -> list[str]:
    """The fields that could stand in the mapping at `path`."""
    for part in path:
        if isinstance(part, int):
            continue
        field = kind.model_fields.get(str(part))
        inner = _record_in(field.annotation) if field else None
        if inner is None:
            return []
        kind = inner
    return [name for name in kind.model_fields if name not in ("where", "sql", "reads")]


def _record_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_record_in, getattr(annotation, "__args__", ()))), None)
