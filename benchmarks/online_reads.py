"""Reads in process: ours, Feast's own and the bare wire, in turns in one process."""

from __future__ import annotations

import gc
import json
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.online_world import FEATURES, KEY, PROJECT, VIEW, declarations, feast_store, references

SAMPLES = 2000
SIZES = (1, 100)
_TOGETHER = 20
Read = Callable[[list[int]], Any]


def read_in_turns(url: str, online_store: dict[str, Any], path: Path, folder: Path, samples: int) -> None:
    """Leaves `reads.json` in the folder: medians in seconds by size and contender; who failed, and why."""
    keys = _filled(url, path)
    readers, failures = _readers(url, online_store, path, folder)
    medians: dict[int, dict[str, float]] = {}
    for size in SIZES:
        took: dict[str, list[float]] = {name: [] for name in readers}
        turns = max(5, samples // (size if size > 1 else 1) // _TOGETHER)
        for turn in range(turns):
            gc.collect(0)
            for name, read in readers.items():
                for shift in range(_TOGETHER):
                    start = (turn * _TOGETHER + shift) * size % (len(keys) - size)
                    asked = keys[start : start + size]
                    began = time.perf_counter()
                    read(asked)
                    took[name].append(time.perf_counter() - began)
        medians[size] = {name: median(times[10:]) for name, times in took.items()}
    (folder / "reads.json").write_text(json.dumps({"medians": medians, "failures": failures}))


def _filled(url: str, path: Path) -> list[int]:
    from asgard_pipelines.features.online import online_store
    from asgard_pipelines.settings import Settings

    store, view = online_store(Settings(online_store=url), PROJECT), declarations().views[0]
    keys: list[int] = []
    for batch in pq.ParquetFile(path).iter_batches(65_536):
        store.write(view, pa.Table.from_batches([batch]))
        keys += batch.column(KEY).to_pylist()
    return keys


def _readers(
    url: str, online_store: dict[str, Any], path: Path, folder: Path
) -> tuple[dict[str, Read], dict[str, str]]:
    from asgard_pipelines.features.online import OnlineReads
    from asgard_pipelines.settings import Settings

    prepared = OnlineReads(Settings(online_store=url)).prepare(declarations(), references())
    feast = feast_store(folder, path, online_store)
    refs = [f"{VIEW}:{name}" for name in FEATURES]
    readers: dict[str, Read] = {
        "ours": lambda keys: prepared.read({KEY: keys}).columns,
        "ours, JSON": lambda keys: prepared.read({KEY: keys}).rows_json(),
        "feast": lambda keys: feast.get_online_features(refs, [{KEY: key} for key in keys]).to_dict(),
    }
    if url.startswith("redis"):
        readers["floor"] = _bare(url)
    failures: dict[str, str] = {}
    _precomputed(feast, readers, failures)
    return readers, failures


def _precomputed(feast: Any, readers: dict[str, Read], failures: dict[str, str]) -> None:
    """Feast's vectors, computed beforehand for a service, as far as they can be read."""
    service = feast.get_feature_service("precomputed")
    try:
        written = feast.precompute_feature_service("precomputed")
    except Exception as error:
        failures["precompute_online"] = f"precomputing failed: {type(error).__name__}: {error}"[:300]
        return
    for full in (False, True):

        def read(keys: list[int], full: bool = full) -> Any:
            rows = [{KEY: key} for key in keys]
            return feast.get_online_features(service, rows, full_feature_names=full).to_dict()

        name = "feast, precomputed" + (", full names" if full else "")
        try:
            found = read([0, 1])
            if len(found) < len(FEATURES):
                raise RuntimeError(f"{len(found)} columns instead of {len(FEATURES)}")
        except Exception as error:
            told = f"{written:,} vectors written; reading raised {type(error).__name__}: {error}"
            failures[name] = told[:300]
        else:
            readers[name] = read


def _bare(url: str) -> Read:
    """`HMGET` through hiredis alone: no value is understood."""
    import hiredis
    from feast.infra.online_stores.helpers import _mmh3

    fields = [*(_mmh3(f"{VIEW}:{name}") for name in FEATURES), f"_ts:{VIEW}"]
    host, _, rest = url.removeprefix("redis://").partition(":")
    wire = socket.create_connection((host, int(rest.partition("/")[0])))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = hiredis.Reader()
    name = KEY.encode()
    head = struct.pack("<3I", 1, 2, len(name)) + name + struct.pack("<2I", 4, 8)

    def read(keys: list[int]) -> list[Any]:
        packed = [
            hiredis.pack_command(("HMGET", head + struct.pack("<q", key) + PROJECT.encode(), *fields))
            for key in keys
        ]
        wire.sendall(b"".join(packed))
        found: list[Any] = []
        while len(found) < len(keys):
            reply = reader.gets()
            if reply is False:
                reader.feed(wire.recv(1 << 16))
            else:
                found.append(reply)
        return found

    return read
