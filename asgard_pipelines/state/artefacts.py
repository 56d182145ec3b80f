"""What was stored for each model version: kept here, out of reach of whoever can write to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, Column, String, Table, delete, insert, select

from asgard_pipelines.settings import Settings
from asgard_pipelines.state.database import database, metadata

_artefacts = Table(
    "artefacts",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("version", String(40), primary_key=True),
    Column("files", JSON, nullable=False),
)


class StoredFile(BaseModel):
    """How long a file is, and the SHA-256 (hex) of its bytes."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(size=len(data), sha256=sha256(data).hexdigest())


def record_artefact(settings: Settings, model: str, version: str, files: Mapping[str, StoredFile]) -> None:
    """Before the version exists; an interrupted registration that is done again records it again.

    Args:
        files: path within the version's store -> file.
    """
    named = (_artefacts.c.model == model) & (_artefacts.c.version == version)
    told = {path: file.model_dump() for path, file in files.items()}
    with database(settings).begin() as connection:
        connection.execute(delete(_artefacts).where(named))
        connection.execute(insert(_artefacts).values(model=model, version=version, files=told))


def recorded_artefact(settings: Settings, model: str, version: str) -> dict[str, StoredFile] | None:
    """Path -> file, as recorded; None: nobody registered that version here."""
    named = (_artefacts.c.model == model) & (_artefacts.c.version == version)
    with database(settings).connect() as connection:
        found = connection.execute(select(_artefacts.c.files).where(named)).scalar_one_or_none()
    return None if found is None else {path: StoredFile(**file) for path, file in found.items()}
