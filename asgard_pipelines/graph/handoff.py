"""Ids travel from asset to asset as JSON: a training set, a version, an election. Never a pickle.

An asset of a run reads what its upstream wrote in the same run; when the upstream was not part
of the run, what it wrote last (a run that resumes another reads that one's first).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import dagster as dg
from pydantic import BaseModel

from asgard_pipelines.errors import NotFound
from asgard_pipelines.settings import Settings


class HandoffIOManager(dg.IOManager):
    """Stores pydantic values under `<home>/dagster/handoff/<asset key>/<run id>.json`."""

    def handle_output(self, context: dg.OutputContext, obj: BaseModel) -> None:
        folder = _folder(context.asset_key)
        folder.mkdir(parents=True, exist_ok=True)
        text = obj.model_dump_json()
        for name in (context.run_id, "latest"):
            _write_whole(folder / f"{name}.json", text)

    def load_input(self, context: dg.InputContext) -> BaseModel:
        kind: type[BaseModel] = context.dagster_type.typing_type
        folder = _folder(context.asset_key)
        for name in (context.step_context.run_id, *_ancestors(context), "latest"):
            path = folder / f"{name}.json"
            if path.exists():
                return kind.model_validate_json(path.read_text())
        key = "/".join(context.asset_key.path)
        raise NotFound(f"'{key}' has not been materialized yet. Materialize it first, or together with this.")


def _folder(key: dg.AssetKey) -> Path:
    return Settings.read().dagster_home.joinpath("handoff", *key.path)


def _ancestors(context: dg.InputContext) -> list[str]:
    run = context.step_context.dagster_run
    return [run_id for run_id in (run.parent_run_id, run.root_run_id) if run_id]


def _write_whole(path: Path, text: str) -> None:
    handle, scratch = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(scratch, path)
