"""The declarations as commands take them: read with a sign of life, applied to Feast when they changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from asgard_pipelines.cli.console import diagnostics

if TYPE_CHECKING:
    from asgard_pipelines.declarations import Declarations
    from asgard_pipelines.settings import Settings


def read_declarations(settings: Settings) -> Declarations:
    """What the repo declares. Compiling takes seconds, when something changed.

    Raises:
        InvalidDeclarations, InvalidSettings
    """
    from asgard_pipelines.project import load

    with diagnostics().status("Reading the declarations …"):
        return load(settings)


def apply_declarations(settings: Settings, declarations: Declarations) -> list[str]:
    """Makes Feast's registry hold what is declared; what changed in it."""
    from asgard_pipelines.features import apply

    with diagnostics().status("Applying them to Feast …"):
        changes = apply(settings)
    _mark(settings).write_text(_state(settings, declarations))
    return changes


def apply_if_changed(settings: Settings, declarations: Declarations) -> list[str]:
    """As `apply_declarations`, but without importing Feast when the registry holds them already."""
    if _is_applied(settings, declarations):
        return []
    return apply_declarations(settings, declarations)


def _is_applied(settings: Settings, declarations: Declarations) -> bool:
    database = settings.registry_database
    if database.startswith("sqlite:///") and not Path(database.removeprefix("sqlite:///")).exists():
        return False
    mark = _mark(settings)
    return mark.exists() and mark.read_text() == _state(settings, declarations)


def _mark(settings: Settings) -> Path:
    return settings.state_folder / "compiled" / "applied"


def _state(settings: Settings, declarations: Declarations) -> str:
    text = settings.registry_database + declarations.model_dump_json()
    return hashlib.sha256(text.encode()).hexdigest()
