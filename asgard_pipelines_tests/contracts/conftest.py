"""The engines that the contract binds. One that is added to `ENGINES` has to keep all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, settings

from asgard_pipelines.features.point_in_time import streamed_join, streamed_rows, winners
from asgard_pipelines.features.point_in_time.engine import Engine, JoinedRows, Lookup
from asgard_pipelines.features.point_in_time.streamed_join import StreamedJoin
from asgard_pipelines.lakehouse import Lakehouse, parquet_parts, parquet_source
from asgard_pipelines.settings import Settings

Join = Callable[..., JoinedRows]
Ask = Callable[..., list[Any]]

# For `make mutants`: that an example fails is enough there, it need not be the smallest.
settings.register_profile("first-failure", phases=[Phase.explicit, Phase.generate], database=None)


def _in_small_pieces(patch: pytest.MonkeyPatch) -> Engine:
    """With every bound so low that small cases go beyond it: batches, spilling, key ranges."""
    patch.setattr(streamed_join, "_FEW_KEYS", 1)
    patch.setattr(streamed_rows, "_BATCH_ROWS", 4)
    patch.setattr(parquet_parts, "_BATCH_ROWS", 2)
    patch.setattr(winners, "_MANY_TIES", 1)
    patch.setattr(winners, "_PART", 3)
    return StreamedJoin(threads=1, held_bytes=100)


ENGINES: dict[str, Callable[[pytest.MonkeyPatch], Engine]] = {
    "streamed": lambda patch: StreamedJoin(threads=2),
    "streamed-in-small-pieces": _in_small_pieces,
}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        yield ENGINES[request.param](patch)


@pytest.fixture(params=[{}, {"held_bytes": 1 << 20}], ids=["streamed", "streamed-from-disk"])
def engine_at_size(request: pytest.FixtureRequest) -> Engine:
    """With its bounds as they are, for cases that go beyond them by their size."""
    return StreamedJoin(threads=2, **request.param)


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """One lakehouse for the tests of a module that keep to tables of their own."""
    return Lakehouse(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture
def join(engine: Engine, tmp_path: Path) -> Join:
    """Joins asked rows with feature rows, both given by column; keys are the columns that both have."""
    numbers = count()

    def ask(
        asked: Mapping[str, Any], rows: Mapping[str, Any], *, filter_by_created: bool = True, **rule: Any
    ) -> JoinedRows:
        path = tmp_path / f"{next(numbers)}.parquet"
        pq.write_table(pa.table(dict(rows)), path)
        ties = [name for name in rows if name == "v"]
        lookup = Lookup(
            "view",
            parquet_source(str(path)),
            keys={name: name for name in asked if name in rows and name != "at"},
            timestamp="at",
            columns={"view__v": "v"},
            created_timestamp="created" if "created" in rows else None,
            **{"ties": ties, **rule},
        )
        return engine.join(pa.table(dict(asked)), "at", [lookup], filter_by_created=filter_by_created)

    return ask


@pytest.fixture
def ask(join: Join) -> Ask:
    """The values that the asked rows get."""

    def values(asked: Mapping[str, Any], rows: Mapping[str, Any], **rule: Any) -> list[Any]:
        joined = join(asked, rows, **rule)
        got: list[Any] = joined.table()["view__v"].to_pylist()
        for _ in range(2):  # rows can be read again
            batches = [batch.column("view__v").to_pylist() for batch in joined.batches()]
            assert [value for batch in batches for value in batch] == got
        joined.close()
        return got

    return values
