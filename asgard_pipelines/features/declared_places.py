"""Where in a Feast repo's Python each object is declared."""

from __future__ import annotations

import ast
from pathlib import Path

from asgard_pipelines.declarations import Where


class DeclaredPlaces:
    """Where the repo's Python says `Kind(name="…")`, or decorates `def …` with it."""

    def __init__(self, repo: Path) -> None:
        self._found: dict[tuple[str, str], Where] = {}
        for path in sorted(repo.rglob("*.py")):
            file = path.relative_to(repo)
            if not any(part.startswith(".") for part in file.parts):
                try:
                    tree = ast.parse(path.read_bytes(), filename=str(path))
                except SyntaxError:
                    continue  # whatever is imported was read already; this is somebody's draft
                for node in ast.walk(tree):
                    self._note(node, file.as_posix())

    def of(self, name: str, kind: str) -> Where:
        """The place of `name`; the top of repo.py for one whose name is computed."""
        return self._found.get((kind, name)) or Where(file="repo.py")

    def _note(self, node: ast.AST, file: str) -> None:
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    kind = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    self._found.setdefault(
                        (kind, str(keyword.value.value)), Where(file=file, line=node.lineno)
                    )
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = getattr(decorator, "func", None)
                if getattr(called, "id", getattr(called, "attr", "")) == "on_demand_feature_view":
                    self._found[("OnDemandFeatureView", node.name)] = Where(file=file, line=node.lineno)
