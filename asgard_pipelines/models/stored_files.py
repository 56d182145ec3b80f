"""Reading a version's stored files: no more bytes than were registered, and none before they are compared."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlparse

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path

from asgard_pipelines.errors import Untrusted
from asgard_pipelines.models.version import ModelVersion
from asgard_pipelines.state import StoredFile


def read_stored(
    client: MlflowClient, version: ModelVersion, recorded: Mapping[str, StoredFile]
) -> dict[str, bytes]:
    """Path within the run's store -> bytes, of every recorded file. What else lies there is not touched.

    Raises:
        Untrusted: a file is missing, or is not the one that was registered.
    """
    try:
        uri = client.get_run(version.run_id).info.artifact_uri
        if urlparse(uri).scheme not in ("", "file"):
            return _fetched(client, version, recorded)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise _untrusted(version, next(iter(recorded), "the run"), "is missing") from error
    root = Path(local_file_uri_to_path(uri))
    return {path: _verified(version, root, path, file) for path, file in recorded.items()}


def _fetched(
    client: MlflowClient, version: ModelVersion, recorded: Mapping[str, StoredFile]
) -> dict[str, bytes]:
    """From a store elsewhere: what is listed with another size is not even fetched."""
    sizes = {
        entry.path: entry.file_size
        for folder in {path.rpartition("/")[0] for path in recorded}
        for entry in client.list_artifacts(version.run_id, folder)
    }
    found = {}
    with TemporaryDirectory() as target:
        for path, file in recorded.items():
            if sizes.get(path) != file.size:
                wrong = "has another size than was registered" if path in sizes else "is missing"
                raise _untrusted(version, path, wrong)
            client.download_artifacts(version.run_id, path, target)
            found[path] = _verified(version, Path(target), path, file)
    return found


def _verified(version: ModelVersion, root: Path, path: str, recorded: StoredFile) -> bytes:
    """The bytes that are compared are the bytes that are given: the file is read once."""
    try:
        # Neither a link nor a pipe, on which opening would wait.
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _untrusted(version, path, "is missing") from None
    except OSError as error:
        raise _untrusted(version, path, f"cannot be read ({error.strerror})") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _untrusted(version, path, "is no plain file")
        if found.st_size != recorded.size:
            raise _untrusted(version, path, "has another size than was registered")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(recorded.size + 1)
    finally:
        os.close(descriptor)
    if StoredFile.of(data) != recorded:
        raise _untrusted(version, path, "does not have the bytes that were registered")
    return data


def _untrusted(version: ModelVersion, path: str, wrong: str) -> Untrusted:
    name = path.rpartition("/")[2]
    return Untrusted(
        f"{version.model_id}: '{name}' {wrong}. Train the model again, or promote another version.",
        model_id=version.model_id,
        file=name,
    )
