"""Files that a script logs: kept beside the job, counted, and handed to MLflow under plain names."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_DOES_NOT_EXIST, RESOURCE_EXHAUSTED

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+ -]{0,127}")
_DEEPEST = 8
_MOST_FILES = 2_000


class JobArtefacts:
    """`folder` holds them by run or model; nothing else writes there."""

    def __init__(self, client: MlflowClient, folder: Path, limit_bytes: int) -> None:
        self._client, self._folder, self._limit = client, folder, limit_bytes
        self._bytes = self._files = 0

    def count(self, size: int) -> None:
        """Raises MlflowException: it is too much."""
        self._bytes += size
        if self._bytes > self._limit:
            raise MlflowException(f"A script may log {self._limit} bytes", RESOURCE_EXHAUSTED)

    def put(self, owner: str, name: str, data: bytes, *, of_model: bool) -> None:
        """Raises MlflowException: no plain name, or too much."""
        path = self._path(owner, name)
        self.count(len(data))
        self._files += 1
        if self._files > _MOST_FILES:
            raise MlflowException(f"A script may log {_MOST_FILES} files", RESOURCE_EXHAUSTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if of_model:
            # MLflow's client logs a model's folder, not a file of it below one.
            self._client._tracking_client._get_artifact_repo(owner, resource="logged_model").log_artifact(
                str(path), _folder(name)
            )
        else:
            self._client.log_artifact(owner, str(path), _folder(name))

    def get(self, owner: str, name: str) -> bytes:
        path = self._path(owner, name)
        if not path.is_file():
            raise MlflowException(f"No file '{name[:200]}'", RESOURCE_DOES_NOT_EXIST)
        return path.read_bytes()

    def listing(self, owner: str, name: str) -> list[dict[str, object]]:
        """As MLflow's server lists a folder: names relative to it."""
        folder = self._path(owner, name) if name else self._folder / owner
        if not folder.is_dir():
            return []
        return [
            {
                "path": one.name,
                "is_dir": one.is_dir(),
                **({} if one.is_dir() else {"file_size": one.stat().st_size}),
            }
            for one in sorted(folder.iterdir())
        ]

    def files(self, owner: str, folder: str = "") -> dict[str, bytes]:
        """What was logged of a run or a model, below a folder: name -> bytes."""
        root = self._path(owner, folder) if folder else self._folder / owner
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def _path(self, owner: str, name: str) -> Path:
        parts = name.split("/")
        if len(parts) > _DEEPEST or not all(_PLAIN.fullmatch(part) for part in parts):
            raise MlflowException(f"'{name[:200]}' is no plain path of a file", BAD_REQUEST)
        path = self._folder.joinpath(owner, *parts)
        if any(parent.is_file() for parent in path.parents) or path.is_dir():
            raise MlflowException(f"'{name[:200]}' is a folder and a file at once", BAD_REQUEST)
        return path


def _folder(name: str) -> str | None:
    folder = str(PurePosixPath(name).parent)
    return None if folder == "." else folder
