"""Ids travel from asset to asset as JSON: a training set, a version, an election. Never a pickle.

An asset of a run reads what its upstream wrote in the same run; when the upstream was not part
of the run, what it wrote last (a run that resumes another reads that one's first).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from asgard_pipelines.errors import NotFound
from asgard_pipelines.settings import Settings

V = TypeVar("V", bound=BaseModel)


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


def handed_over(settings: Settings, key: dg.AssetKey, run_id: str, kind: type[V]) -> V:
    """What an asset gave in a run.

    Raises:
        NotFound: nothing, or it is not kept any more.
    """
    path = settings.dagster_home.joinpath("handoff", *key.path, f"{run_id}.json")
    if not path.is_file():
        raise NotFound(f"'{'/'.join(key.path)}' gave nothing in run {run_id}.", run_id=run_id)
    return kind.model_validate_json(path.read_text())


def hand_over(settings: Settings, key: dg.AssetKey, value: BaseModel) -> None:
    """What who asks for the asset's newest value gets from now on."""
    folder = settings.dagster_home.joinpath("handoff", *key.path)
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(folder / "latest.json", value.model_dump_json())


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
