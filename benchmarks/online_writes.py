"""Materializing a view to an online store: ours from Iceberg, Feast's from Parquet; and the writers alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.child import Work
from benchmarks.online_world import KEY, PROJECT, VIEW, declarations, feast_store, references

_BATCH, _FEAST_BATCH = 65_536, 10_000


def lake(root: Path, path: Path) -> Path:
    """A home whose lakehouse has the file's rows in a gold table."""
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    home = root / "online" / f"home-{path.stem}"
    with pq.ParquetFile(path) as file:
        reader = pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(_BATCH))
        Lakehouse(Settings(home=home)).append(f"gold.{VIEW}", reader.read_all(), key="rows")
    return home


def ours(url: str, path: Path, home: Path) -> Work:
    """As the graph does it: a table in Iceberg, its whole state, the guard on, the ledger written."""
    from asgard_pipelines.features.materialization import materialize
    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    settings = Settings(home=home, online_store=url, repo=_repo(home))
    lakehouse, declared = Lakehouse(settings), declarations()
    emptied(url)
    pin = lakehouse.pin(f"gold.{VIEW}")

    def run() -> None:
        materialize(settings, lakehouse, declared, declared.views[0], pin)

    return Work(run, partial(_wrong, url, path))


def _repo(home: Path) -> Path:
    repo = home / "repo"
    repo.mkdir(parents=True, exist_ok=True)
    (repo / "feature_store.yaml").write_text(f"project: {PROJECT}\nprovider: local\n")
    return repo


def ours_writer(url: str, path: Path) -> Work:
    """Batches of Parquet into the store, the guard on."""
    from asgard_pipelines.features.online import online_store
    from asgard_pipelines.settings import Settings

    store, view = online_store(Settings(online_store=url), PROJECT), declarations().views[0]
    emptied(url)

    def run() -> int:
        return sum(store.write(view, batch).written for batch in _batches(path, _BATCH))

    return Work(run, partial(_wrong, url, path))


def feast_materialize(online_store: dict[str, Any], path: Path) -> Work:
    """`materialize`, as Feast's documentation has it."""
    opened = _opened(online_store, path)
    window = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    return Work(lambda: opened.materialize(*window), partial(_wrong, _url(online_store), path))


def feast_writer(online_store: dict[str, Any], path: Path, options: dict[str, Any]) -> Work:
    """Feast's conversion and its store's writing alone, in batches: the best that can be had of it."""
    from feast.utils import _convert_arrow_to_proto

    opened = _opened(online_store | options, path)
    view = opened.get_feature_view(VIEW)
    keys = {one.name: one.dtype.to_value_type() for one in view.entity_columns}
    provider = opened._get_provider()

    def run() -> None:
        for batch in _batches(path, _FEAST_BATCH):
            rows = _convert_arrow_to_proto(batch, view, keys)
            provider.online_write_batch(opened.config, view, rows, None)

    return Work(run, partial(_wrong, _url(online_store), path))


def _opened(online_store: dict[str, Any], path: Path) -> Any:
    emptied(_url(online_store))
    return feast_store(Path(tempfile.mkdtemp()), path, online_store)


def _url(online_store: dict[str, Any]) -> str:
    if online_store["type"] == "sqlite":
        return f"sqlite:///{online_store['path']}"
    return f"redis://{online_store['connection_string'].partition(',')[0]}/0"


def _batches(path: Path, size: int) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(size):
            yield pa.Table.from_batches([batch])


def emptied(url: str) -> None:
    import redis

    if url.startswith("redis"):
        redis.Redis.from_url(url).flushall()
        return
    for ending in ("", "-wal", "-shm", "-journal"):
        Path(url.removeprefix("sqlite:///") + ending).unlink(missing_ok=True)


def _wrong(url: str, path: Path, result: object) -> int:
    """Of the first thousand keys the values that are not as in the file."""
    from asgard_pipelines.features.online import OnlineReads
    from asgard_pipelines.settings import Settings

    expected = next(_batches(path, 1000))
    read = OnlineReads(Settings(online_store=url)).prepare(declarations(), references())
    found = read.read({KEY: expected[KEY].to_pylist()})
    return sum(
        one != other
        for name, column in zip(found.names, found.columns, strict=True)
        for one, other in zip(column, expected[name].to_pylist(), strict=True)
    )
