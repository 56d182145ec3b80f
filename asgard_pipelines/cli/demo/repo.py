"""The demo's declarations: the project's own `feature_repo`, which the wheel carries along."""

from __future__ import annotations

import shutil
from pathlib import Path

from asgard_pipelines.errors import Invalid
from asgard_pipelines.settings import Settings

_HERE = Path(__file__).parent


def bundled_repo() -> Path:
    """In the wheel it lies beside this file, in a checkout at the top."""
    inside = _HERE / "feature_repo"
    return inside if inside.is_dir() else _HERE.parents[2] / "feature_repo"


def ensure_repo(settings: Settings) -> bool:
    """Writes the bundled declarations to `settings.repo` where there is no repo; True if it did.

    Raises:
        Invalid: there is one, and it is not the demo's.
    """
    if not settings.repo.exists():
        shutil.copytree(bundled_repo(), settings.repo, ignore=shutil.ignore_patterns("__pycache__"))
        return True
    if not (settings.repo / "gold" / "purchases.yaml").is_file():
        raise Invalid(
            f"{settings.repo} is a project of its own, without the demo's tables. "
            "Run the demo without ASGARD_REPO, in another folder; this one's processes start with: asgard up",
            repo=str(settings.repo),
        )
    return False
