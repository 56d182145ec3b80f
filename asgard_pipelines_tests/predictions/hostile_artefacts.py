"""What somebody could put into the registry's storage, or into MLflow's records, to have it run or loaded."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from mlflow import MlflowClient

from asgard_pipelines.models import ModelVersion


@dataclass(frozen=True)
class Stored:
    """One version's files, and MLflow's record of it, as whoever may write there sees them."""

    version: ModelVersion
    folder: Path
    file: str
    """The estimator's file."""
    client: MlflowClient
    marker: Path
    """Appears if anything runs."""
    other: Path
    """The folder of another version of the same model."""

    @property
    def model(self) -> Path:
        return self.folder / self.file

    def bomb(self) -> bytes:
        """A pickle that runs a command when it is loaded."""
        return pickle.dumps(_Bomb(f"touch {self.marker}"))

    def code(self) -> str:
        return f"import pathlib\npathlib.Path({str(self.marker)!r}).touch()\n"

    def tag(self, name: str, value: str) -> None:
        self.client.set_model_version_tag(self.version.model, str(self.version.number), name, value)


class _Bomb:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


Harm = Callable[[Stored], None]


def _write(name: str, make: Callable[[Stored], bytes]) -> Harm:
    """`name` of the artefact has other bytes; "model" is the estimator's."""

    def harm(stored: Stored) -> None:
        (stored.model if name == "model" else stored.folder / name).write_bytes(make(stored))

    return harm


def _zipped(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return made.getvalue()


def _schema(loader: str, module: str, kind: str) -> bytes:
    """A skops file of one part."""
    part = {"__class__": kind, "__module__": module, "__loader__": loader, "content": "system", "__id__": 1}
    return _zipped("schema.json", json.dumps(part).encode())


def _link(target: Callable[[Stored], Path]) -> Harm:
    def harm(stored: Stored) -> None:
        linked = target(stored)
        stored.model.unlink()
        stored.model.symlink_to(linked)

    return harm


def _hidden_bomb(stored: Stored) -> Path:
    path = stored.folder.parent / "elsewhere"
    path.write_bytes(stored.bomb())
    return path


def _same_bytes_elsewhere(stored: Stored) -> Path:
    return Path(shutil.copy(stored.model, stored.folder.parent / "elsewhere"))


def _pipe(stored: Stored) -> None:
    stored.model.unlink()
    os.mkfifo(stored.model)


def _folder(stored: Stored) -> None:
    stored.model.unlink()
    stored.model.mkdir()
    (stored.model / "__init__.py").write_text(stored.code())


def _whole_folder_elsewhere(stored: Stored) -> None:
    elsewhere = stored.folder.rename(stored.folder.parent / "moved")
    (elsewhere / stored.file).write_bytes(stored.bomb())
    stored.folder.symlink_to(elsewhere)


def _huge(stored: Stored) -> None:
    with stored.model.open("ab") as file:
        file.truncate(1 << 40)  # a terabyte of holes


def _flipped(stored: Stored) -> bytes:
    data = bytearray(stored.model.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


def _swapped(stored: Stored) -> None:
    """The files of one version among themselves."""
    other = stored.folder / "preprocessing.skops"
    first, second = stored.model.read_bytes(), other.read_bytes()
    stored.model.write_bytes(second)
    other.write_bytes(first)


def _other_version(stored: Stored) -> None:
    """A file that was registered, for another version."""
    shutil.copy(stored.other / stored.file, stored.model)


def _all_of_other_version(stored: Stored) -> None:
    shutil.rmtree(stored.folder)
    shutil.copytree(stored.other, stored.folder)


def _signature(**fields: object) -> Harm:
    def harm(stored: Stored) -> None:
        path = stored.folder / "signature.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return harm


def _with_new_checksum(stored: Stored) -> None:
    """By somebody who can write to MLflow too."""
    stored.model.write_bytes(stored.bomb())
    told = stored.version.sha256 | {stored.file: sha256(stored.bomb()).hexdigest()}
    stored.tag("asgard.sha256", json.dumps(told))


def _with_paths_as_names(stored: Stored) -> None:
    outside = stored.folder.parent / "evil.skops"
    outside.write_bytes(stored.bomb())
    told = stored.version.sha256 | {"../evil.skops": sha256(stored.bomb()).hexdigest()}
    stored.tag("asgard.sha256", json.dumps(told))


def _another_run(stored: Stored) -> None:
    """The run in which it was trained lies elsewhere from now on: there is a bomb under every name."""
    experiment = stored.client.create_experiment("evil", artifact_location=str(stored.folder.parent / "evil"))
    run = stored.client.create_run(experiment)
    folder = stored.folder.parent / "evil" / run.info.run_id / "artifacts" / "model"
    folder.mkdir(parents=True)
    for name in stored.version.sha256:
        (folder / name).write_bytes(stored.bomb())
    tags = stored.version.tags
    made = stored.client.create_model_version(
        stored.version.model, f"runs:/{run.info.run_id}/model", run.info.run_id, tags=tags
    )
    stored.client.delete_model_version(stored.version.model, str(stored.version.number))
    assert made.version != str(stored.version.number)


REFUSED: dict[str, Harm] = {
    "a pickle as the model": _write("model", Stored.bomb),
    "a pickle as the preprocessing": _write("preprocessing.skops", Stored.bomb),
    "a pickle as the signature": _write("signature.json", Stored.bomb),
    "a pickle in a zip": _write("model", lambda stored: _zipped("model.pkl", stored.bomb())),
    "a skops file that calls": _write("model", lambda _: _schema("FunctionNode", "os", "function")),
    "a skops file of an operator": _write("model", lambda _: _schema("OperatorFuncNode", "operator", "call")),
    "a skops file of a method": _write("model", lambda _: _schema("MethodNode", "builtins", "method")),
    "a skops file with a path": _write("model", lambda stored: _zipped("../../evil.py", stored.bomb())),
    "a zip bomb": _write("model", lambda _: _zipped("schema.json", bytes(200_000_000))),
    "another version's model": _other_version,
    "all files of another version": _all_of_other_version,
    "its files swapped": _swapped,
    "a link to a pickle": _link(_hidden_bomb),
    "a link to the same bytes": _link(_same_bytes_elsewhere),
    "a link without end": _link(lambda _: Path("/dev/zero")),
    "a link to itself": _link(lambda stored: stored.model),
    "a link to a secret": _link(lambda _: Path("/etc/passwd")),
    "a pipe": _pipe,
    "a folder": _folder,
    "its folder a link": _whole_folder_elsewhere,
    "a huge file": _huge,
    "an empty file": _write("model", lambda _: b""),
    "a byte more": _write("model", lambda stored: stored.model.read_bytes() + b"\0"),
    "half of it": _write("model", lambda s: s.model.read_bytes()[: s.model.stat().st_size // 2]),
    "one bit": _write("model", _flipped),
    "nothing there": lambda stored: stored.model.unlink(),
    "no folder": lambda stored: shutil.rmtree(stored.folder),
    "lengths past the end": _write("model", lambda _: b"{L" + struct.pack(">q", 2**62) + b"learner{"),
    "absurd sizes": _write(
        "model", lambda _: b"tree\nversion=v4\nnum_class=2000000000\nnum_leaves=2000000\n"
    ),
    "another positive class": _signature(positive_label=False),
    "an estimator that is code": _signature(estimator="__import__('os').system('true')"),
    "another framework": _signature(framework="pickle"),
    "a new checksum for a pickle": _with_new_checksum,
    "paths among the checksums": _with_paths_as_names,
    "no checksums": lambda stored: stored.tag("asgard.sha256", "{}"),
    "checksums that are none": lambda stored: stored.tag("asgard.sha256", "__import__('os')"),
    "snapshots that are none": lambda stored: stored.tag("asgard.sources", '{"gold.a": "x"}'),
    "a type of model that is none": lambda stored: stored.tag("model_type", "pickle"),
    "a run elsewhere": _another_run,
}
"""After these the version answers UNTRUSTED_ARTEFACT."""


def _mlmodel(stored: Stored) -> None:
    """As MLflow's own loader would take it: a module of the artefact is imported."""
    (stored.folder / "code").mkdir()
    (stored.folder / "code" / "evil.py").write_text(stored.code())
    (stored.folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n    python_version: 3.11\n"
        "  sklearn:\n    pickled_model: model.pkl\n    serialization_format: cloudpickle\n"
    )
    (stored.folder / "model.pkl").write_bytes(stored.bomb())


def _environment(stored: Stored) -> None:
    for name in ("requirements.txt", "conda.yaml", "python_env.yaml"):
        (stored.folder / name).write_text("-e ./evil\n--index-url file:///evil\n")
    (stored.folder / "evil").mkdir()
    (stored.folder / "evil" / "setup.py").write_text(stored.code())


def _code_beside(stored: Stored) -> None:
    for name in ("__init__.py", "sitecustomize.py", "conftest.py", "json.py", "sklearn.py", "skops.py"):
        (stored.folder / name).write_text(stored.code())


def _pickles_beside(stored: Stored) -> None:
    for name in ("model.pkl", "python_model.pkl", "model.joblib", "preprocessing.pkl", "data.npy"):
        (stored.folder / name).write_bytes(stored.bomb())


IGNORED: dict[str, Harm] = {
    "a loader of its own": _mlmodel,
    "an environment of its own": _environment,
    "code beside it": _code_beside,
    "pickles beside it": _pickles_beside,
}
"""These touch nothing that is read: the version answers as before."""
