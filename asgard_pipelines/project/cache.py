"""The compiled declarations, kept by the hash of all they come from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asgard_pipelines import __version__
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import InvalidSettings
from asgard_pipelines.project.held_declarations import HeldDeclarations
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made_revision

_KEPT = 5
"""Compiled files that stay: a branch switched to and back costs nothing."""


def load(settings: Settings) -> Declarations:
    """The repo's declarations: compiled when something changed; else read back, or those that this process
    has read before.

    Raises:
        InvalidDeclarations: everything that is wrong, with file, line and field.
        InvalidSettings: the repo is not there.
    """
    store = settings.repo / "feature_store.yaml"
    if not store.is_file():
        raise InvalidSettings(
            f"ASGARD_REPO={str(settings.repo)!r} holds no {store.name}. `asgard init NAME` makes a repo.",
            setting="ASGARD_REPO",
        )
    return _HELD.get(settings, _read)


def _read(settings: Settings) -> Declarations:
    """Compiled when something changed, else read back in a few milliseconds."""
    compiled = settings.state_folder / "compiled" / f"{_hash(settings)}.json"
    if compiled.is_file():
        os.utime(compiled)
        return Declarations.model_validate_json(compiled.read_bytes())
    from asgard_pipelines.project.compile import compile_repo  # imports Feast

    declarations = compile_repo(settings)
    _write(compiled, declarations.model_dump_json())
    return declarations


def _hash(settings: Settings) -> str:
    """SHA-256 over the repo's files, what was made over REST, our version and code, settings that count."""
    seed = f"{__version__}\0{settings.gold_schema}\0{settings.repo}\0{made_revision(settings)}"
    digest = hashlib.sha256(seed.encode())
    package = Path(__file__).parent.parent
    own = [package / "declarations", package / "project", package / "features"]
    for folder, suffixes in [(settings.repo, None), *((folder, {".py"}) for folder in own)]:
        for path in _files(folder):
            if suffixes is None or path.suffix in suffixes:
                content = path.read_bytes()
                digest.update(f"\0{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Files that are sources: nothing hidden (state lives in `.asgard`), nothing that Python wrote."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__pycache__")
        yield from (
            Path(root, file) for file in sorted(files) if not file.startswith(".") or file == ".feastignore"
        )


_HELD = HeldDeclarations(lambda repo: list(_files(repo)))


def _write(path: Path, text: str) -> None:
    """Whole or not at all: two processes may compile at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
    _prune(path.parent)


def _prune(folder: Path) -> None:
    with os.scandir(folder) as entries:
        compiled = [entry for entry in entries if entry.name.endswith(".json")]
    with contextlib.suppress(FileNotFoundError):  # another process prunes at the same time
        compiled.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
        for old in compiled[_KEPT:]:
            os.unlink(old)
