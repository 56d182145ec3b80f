"""What `asgard doctor` looks at: each examination gives findings, and never raises what it can tell."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from asgard_pipelines.cli.ports import HOST, holder, own_ports
from asgard_pipelines.cli.running import answers, running
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import AsgardError, IsolationUnavailable
from asgard_pipelines.graph import sick_daemons
from asgard_pipelines.settings import Settings

_RESTART = "asgard down; asgard up"
_LOCK = Path(__file__).parents[2] / "requirements.lock"
"""There in a checkout; a wheel's dependencies are in its metadata."""


@dataclass(frozen=True)
class Finding:
    """`missing`: nothing works until it is mended. `mend` is the command that does."""

    subject: str
    state: Literal["ok", "note", "warning", "missing"]
    message: str
    mend: str | None = None


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything, in the order in which things stand on one another."""
    for examination in _EXAMINATIONS:
        yield from examination(settings)


def _python(_settings: Settings) -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info[:2] == (3, 11):
        yield Finding("Python", "ok", f"{version} at {sys.prefix}")
    else:
        yield Finding("Python", "missing", f"{version}; Asgard is locked and tried on 3.11", "make setup")


def _libraries(_settings: Settings) -> Iterator[Finding]:
    if not _LOCK.is_file():
        yield from _against_metadata()
        return
    locked = dict(
        line.split(" ")[0].split("==")
        for line in _LOCK.read_text().splitlines()
        if "==" in line and ";" not in line
    )
    other = {name: found for name, version in locked.items() if (found := _installed(name)) != version}
    if other:
        names = ", ".join(
            f"{name} {found or 'missing'} (locked {locked[name]})" for name, found in other.items()
        )
        yield Finding("Libraries", "missing", names, "make setup")
    else:
        yield Finding("Libraries", "ok", f"{len(locked)} as locked")


def _against_metadata() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in metadata.requires("asgard-pipelines") or []]
    found = {need: _installed(need.name) for need in wanted}
    wrong = [
        f"{need} (found {version or 'none'})"
        for need, version in found.items()
        if version is None or not need.specifier.contains(version, prereleases=True)
    ]
    if wrong:
        yield Finding("Libraries", "missing", ", ".join(wrong), "pip install --upgrade asgard-pipelines")
    else:
        yield Finding("Libraries", "ok", f"{len(wanted)} requirements are met")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _home(settings: Settings) -> Iterator[Finding]:
    folder = settings.state_folder
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    if os.access(existing, os.W_OK) and existing.is_dir():
        yield Finding("Home", "ok", f"{folder}" + ("" if existing == folder else " (made when first needed)"))
    else:
        yield Finding(
            "Home", "missing", f"{folder} cannot be written", "export ASGARD_HOME=<a folder of yours>"
        )


def _catalog(settings: Settings) -> Iterator[Finding]:
    from asgard_pipelines.lakehouse import Lakehouse

    try:
        count = len(Lakehouse(settings).tables())
    except Exception as error:  # whatever the catalog's database says is the finding
        yield Finding("Catalog", "missing", _first_line(error), "asgard config")
    else:
        yield Finding("Catalog", "ok", f"opens: {count} table{'' if count == 1 else 's'}")


def _online_store(settings: Settings) -> Iterator[Finding]:
    from asgard_pipelines.features.online import online_store

    if not (settings.repo / "feature_store.yaml").is_file():
        return  # said of the declarations
    try:
        store = online_store(settings)
        store.ping()
    except AsgardError as error:
        yield Finding("Online store", "missing", error.message, "asgard config")
    else:
        yield Finding("Online store", "ok", f"answers: {store.address}")


def _declarations(settings: Settings) -> Iterator[Finding]:
    from asgard_pipelines.project import load

    if not settings.repo.is_dir():
        yield Finding(
            "Declarations",
            "missing",
            f"{settings.repo} is not there",
            "asgard init my_project, or asgard demo",
        )
        return
    try:
        found = load(settings)
    except AsgardError as error:
        yield Finding("Declarations", "missing", error.message, "mend the files named; then: asgard apply")
    else:
        yield Finding(
            "Declarations",
            "ok",
            f"{len(found.gold)} gold tables, {len(found.views)} views, {len(found.models)} models, "
            f"{len(found.predictions)} predictions in {settings.repo}",
        )
        yield from _contracts(settings, found)


def _contracts(settings: Settings, declarations: Declarations) -> Iterator[Finding]:
    from asgard_pipelines.cli.contracts import broken
    from asgard_pipelines.lakehouse import Lakehouse

    try:
        for table, message in broken(Lakehouse(settings), declarations):
            place = str(table.where) if table.where.file else table.table
            mend = f"mend {place}, or the table; then: asgard apply"
            yield Finding(table.table, "missing", f"{place}: {message}", mend)
    except Exception as error:  # whatever the catalog's database says is the finding
        yield Finding("Tables", "missing", _first_line(error), "asgard config")


def _dagster(settings: Settings) -> Iterator[Finding]:
    if (settings.dagster_home / "dagster.yaml").is_file():
        yield Finding("Dagster", "ok", f"instance at {settings.dagster_home}")
    else:
        yield Finding("Dagster", "note", "no instance yet: the first run makes it")


def _processes(settings: Settings) -> Iterator[Finding]:
    house = running(settings)
    if house is None:
        yield Finding("Processes", "note", "not running: nobody watches the tables", "asgard up")
        for name, (port, variable) in own_ports(settings).items():
            held = holder(port)
            if held:
                yield Finding(
                    f"Port {port}",
                    "warning",
                    f"{name} would have it; taken by {held}",
                    f"export {variable}=<a free port>",
                )
            else:
                yield Finding(f"Port {port}", "ok", f"free for {name} on {HOST}")
        return
    yield Finding(
        "Processes",
        "ok",
        f"process {house.pid}: the API at {house.api}, Dagster at {house.dagster}, MLflow at {house.mlflow}",
    )
    if answers(f"{house.api}/health/live"):
        yield Finding("API", "ok", f"{house.api} answers")
    else:
        yield Finding("API", "warning", f"{house.api} does not answer", _RESTART)
    try:
        sick = sick_daemons(house.dagster)
    except OSError as error:
        yield Finding("Daemon", "warning", f"{house.dagster} does not answer: {error}", _RESTART)
        return
    if sick:
        yield Finding("Daemon", "warning", f"no heartbeat from {', '.join(sick)}", _RESTART)
    else:
        yield Finding("Daemon", "ok", "every daemon's heart beats")


def _scripts(settings: Settings) -> Iterator[Finding]:
    from asgard_pipelines.scripts import require_isolation

    try:
        require_isolation(settings)
    except IsolationUnavailable as error:
        yield Finding("Scripts", "note", error.message)
    else:
        yield Finding("Scripts", "ok", "uploaded ones are isolated")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_EXAMINATIONS: list[Callable[[Settings], Iterator[Finding]]] = [
    _python,
    _libraries,
    _home,
    _catalog,
    _online_store,
    _declarations,
    _dagster,
    _processes,
    _scripts,
]
