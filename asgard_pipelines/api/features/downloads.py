"""Files that who knows their random address may fetch, for an hour."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Request
from starlette.responses import FileResponse

from asgard_pipelines.api.access import BY_ADDRESS
from asgard_pipelines.api.house import House
from asgard_pipelines.errors import NotFound
from asgard_pipelines.settings import Settings

KEPT_SECONDS = 3600
_RANDOM_BYTES = 32
_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")
router = APIRouter(tags=["feature store"])


def keep(settings: Settings, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """Writes them into a file, and gives its path below the server's address. What has expired goes."""
    folder = _folder(settings)
    _forget_expired(folder)
    name = f"{secrets.token_urlsafe(_RANDOM_BYTES)}.parquet"
    with _whole_or_not(folder / name) as target, pq.ParquetWriter(target, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return f"{BY_ADDRESS}{name}"


@router.get(
    BY_ADDRESS + "{random}.parquet",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def download(random: str, request: Request) -> FileResponse:
    """The rows of an answer of `historical-features`, as Parquet. Its address is random, asks for no token,
    and expires after an hour."""
    house: House = request.app.state.house
    path = _folder(house.settings) / f"{random}.parquet"
    if not _RANDOM.fullmatch(random) or not path.is_file() or _expired(path):
        raise NotFound("There is no such file, or not any more: ask for the features again.")
    return FileResponse(path, media_type="application/octet-stream", filename="features.parquet")


def _folder(settings: Settings) -> Path:
    return settings.state_folder / "downloads"


@contextmanager
def _whole_or_not(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _forget_expired(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if _expired(path):
                path.unlink(missing_ok=True)  # another process does the same


def _expired(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > KEPT_SECONDS
    except FileNotFoundError:
        return True
