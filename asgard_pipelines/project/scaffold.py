"""`asgard init`: a new project from the templates beside this file."""

from __future__ import annotations

import re
from pathlib import Path

from asgard_pipelines.errors import Conflict, Invalid

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def init(path: Path, *, empty: bool = False) -> list[str]:
    """Writes a new repo into `path`, whose last part is the project's name.

    Args:
        empty: Only what a repo needs; nothing is declared but the views of Asgard about itself.

    Returns:
        The files written, relative to `path`'s parent, sorted.

    Raises:
        Invalid: the name cannot be Feast's project name.
        Conflict: the folder is there and holds something, or a file has its name.
    """
    path = path.absolute()
    if not _NAME.fullmatch(path.name):
        raise Invalid(
            f"'{path.name}' cannot be a project's name: letters, digits and _, beginning with a letter.",
            name=path.name,
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise Conflict(f"'{path.name}' is there already. A new project needs a new name.", name=path.name)
    written = []
    root = _TEMPLATES / ("empty" if empty else "starter")
    for template in sorted(root.rglob("*")):
        if template.is_file():
            target = path / _target(template.relative_to(root))
            target.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8").replace("PROJECT_NAME", path.name)
            target.write_text(text, encoding="utf-8")
            written.append(target.relative_to(path.parent).as_posix())
    return sorted(written)


def _target(template: Path) -> Path:
    """`.template` keeps Python from tools that would read it, `dot_` a dotfile from git and packagers."""
    name = template.name.removesuffix(".template")
    return template.with_name(f".{name.removeprefix('dot_')}" if name.startswith("dot_") else name)
