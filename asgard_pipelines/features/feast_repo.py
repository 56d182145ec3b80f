"""What a Feast repo declares, as Asgard's declarations: its `repo.py` imported the way Feast does it."""

from __future__ import annotations

import importlib
import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import feast
import feast.repo_operations
import yaml
from feast import FeatureView as FeastView
from feast.feature_view import DUMMY_ENTITY
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import load_repo_config
from feast.repo_contents import RepoContents as FeastContents
from pydantic import ValidationError

from asgard_pipelines.errors import InvalidDeclarations, InvalidSettings, Problem
from asgard_pipelines.features.conversion import RepoContents, convert
from asgard_pipelines.features.made_objects import MADE, made_over_rest
from asgard_pipelines.settings import Settings

_importing = threading.Lock()
"""`sys.path` and `sys.modules` belong to the whole process."""


def read_repo(settings: Settings) -> RepoContents:
    """Imports the repo and converts what it declares.

    Raises:
        InvalidDeclarations: Python that fails, with the line in the repo where it does; views on something
            else than a gold table; kinds and types that Asgard does not take.
        InvalidSettings: the repo is not there.
    """
    return convert(settings.repo, project_name(settings), feast_contents(settings))


def project_name(settings: Settings) -> str:
    """Feast's project name.

    Raises:
        InvalidSettings: there is no `feature_store.yaml`.
    """
    return str(feast_config(settings).project)


def feast_config(settings: Settings) -> Any:
    """Feast's `RepoConfig` of the repo.

    Raises:
        InvalidSettings: there is no `feature_store.yaml`.
        InvalidDeclarations: it is not what Feast takes.
    """
    path = settings.repo / "feature_store.yaml"
    if not path.is_file():
        raise InvalidSettings(
            f"ASGARD_REPO={str(settings.repo)!r} holds no {path.name}. `asgard init NAME` makes a repo.",
            setting="ASGARD_REPO",
        )
    try:
        return load_repo_config(settings.repo, path)
    except Exception as error:  # Feast wraps pydantic's, YAML's and its own errors in one of its own, or not
        raise InvalidDeclarations(_refused(error, path.name)) from error


def _refused(error: Exception, file: str) -> list[Problem]:
    """What Feast has against its `feature_store.yaml`, without pydantic's and YAML's own layout."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ValidationError):
            return [
                Problem(file, 1, ".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, "))
                for one in inner.errors()
            ]
        if isinstance(inner, yaml.MarkedYAMLError) and inner.problem_mark:
            return [Problem(file, inner.problem_mark.line + 1, "", f"this is no YAML: {inner.problem}")]
        inner = inner.__cause__ or inner.__context__
    return [Problem(file, 1, "", f"Feast refuses it: {' '.join(str(error).split())}")]


def feast_contents(settings: Settings) -> FeastContents:
    """Feast's own objects, as its command would collect them; and those of what was declared over REST,
    whether `repo.py` takes them in or not.

    Raises:
        InvalidDeclarations: Python that fails.
    """
    contents = FeastContents(
        projects=[],
        data_sources=[],
        feature_views=[],
        on_demand_feature_views=[],
        stream_feature_views=[],
        label_views=[],
        entities=[],
        feature_services=[],
        permissions=[],
    )
    with _modules_of(settings.repo) as modules:
        for module in modules:
            for name in dir(module):
                if MADE not in (getattr(getattr(module, name), "tags", None) or {}):
                    _collect(getattr(module, name), contents)
    named = project_name(settings)
    for project in contents.projects:
        if project.name != named:
            text = f"the project is called '{project.name}' here and '{named}' in feature_store.yaml"
            raise InvalidDeclarations([Problem("repo.py", 1, "name", text)])
    if not contents.projects:
        contents.projects.append(feast.Project(name=named))
    for found in made_over_rest(settings).values():
        _collect(found, contents)
    contents.entities.append(DUMMY_ENTITY)
    return contents


def _collect(found: Any, contents: FeastContents) -> None:
    """Puts `found` where it belongs. The same object under two names counts once, as with Feast."""
    kinds: list[tuple[type, list[Any]]] = [
        (feast.Project, contents.projects),
        (feast.StreamFeatureView, contents.stream_feature_views),
        (FeastView, contents.feature_views),
        (OnDemandFeatureView, contents.on_demand_feature_views),
        (feast.Entity, contents.entities),
        (feast.FeatureService, contents.feature_services),
        (feast.data_source.DataSource, contents.data_sources),
    ]
    for kind, into in kinds:
        if isinstance(found, kind):
            if not any(found is one for one in into):
                into.append(found)
                for source in _sources(found):
                    _collect(source, contents)
            return


def _sources(found: Any) -> list[Any]:
    """Of a view: its table, and what pushes to it."""
    if not isinstance(found, FeastView):
        return []
    return [source for source in (found.batch_source, found.stream_source) if source is not None]


@contextmanager
def _modules_of(repo: Path) -> Iterator[list[ModuleType]]:
    """The modules Feast would scan, imported afresh; none of the repo's modules stays in `sys.modules`.

    Feast names modules relative to the working directory. Here the repo comes first on the path
    instead, so that the process stays where it is, and two repos can be read one after the other.
    """
    repo = repo.resolve()
    with _importing:
        _forget(repo)
        sys.path.insert(0, str(repo))
        importlib.invalidate_caches()
        linecache.checkcache()  # where a function's source is read, which says whether it has changed
        files = feast.repo_operations.get_repo_files(repo)
        if not files:
            text = "there is no Python that Feast would scan: repo.py imports what counts"
            raise InvalidDeclarations([Problem("repo.py", 1, "", text)])
        try:
            yield [_imported(path, repo) for path in files]
        finally:
            sys.path.remove(str(repo))
            _forget(repo)


def _imported(path: Path, repo: Path) -> ModuleType:
    try:
        return importlib.import_module(".".join(path.relative_to(repo).with_suffix("").parts))
    except (Exception, SystemExit) as error:  # whatever a user's module raises is a problem of that module
        raise InvalidDeclarations([_problem(error, path, repo)]) from error


def _problem(error: Exception | SystemExit, path: Path, repo: Path) -> Problem:
    """The error at the innermost line that is the repo's own."""
    file, line = path.relative_to(repo).as_posix(), 1
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(repo):
            file, line = Path(frame.filename).relative_to(repo).as_posix(), frame.lineno or 1
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(repo):
        file, line = Path(error.filename).relative_to(repo).as_posix(), error.lineno or 1
        return Problem(file, line, "", f"Python cannot read this: {error.msg}")
    return Problem(file, line, "", f"{type(error).__name__}: {' '.join(str(error).split())}")


def _forget(repo: Path) -> None:
    for name, module in sys.modules.copy().items():  # at once: another thread may be importing
        file = getattr(module, "__file__", None)
        folders = [file] if file else list(getattr(module, "__path__", None) or [])
        if any(Path(folder).is_relative_to(repo) for folder in folders) and not name.startswith(
            "asgard_pipelines"
        ):
            del sys.modules[name]
