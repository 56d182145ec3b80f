"""Feeds as folders of Parquet files, in the many ways in which files can be laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from asgard_pipelines.lakehouse import Source, parquet_source
from asgard_pipelines_tests.contracts.cases import Feed


@dataclass(frozen=True)
class Layout:
    """How many rows a row group has, at which rows a new file begins, how the writer is set."""

    group: int
    cuts: Sequence[int]
    statistics: bool
    dictionary: bool
    arrow_schema: bool
    shuffled: bool
    """The files after the first have their columns in another order."""

    def write(self, feed: Feed, folder: Path) -> Source:
        folder.mkdir()
        table = feed.table
        edges = [0, *sorted(min(cut, len(table)) for cut in self.cuts), len(table)]
        for number, (begin, end) in enumerate(pairwise(edges)):
            part = table.slice(begin, end - begin)
            if self.shuffled and number:
                part = part.select(Random(number).sample(part.column_names, part.num_columns))
            self._write(part, folder / f"{number}.parquet")
        return parquet_source(str(folder))

    def _write(self, part: pa.Table, path: Path) -> None:
        pq.write_table(
            part,
            path,
            row_group_size=self.group,
            write_statistics=self.statistics,
            use_dictionary=self.dictionary,
            store_schema=self.arrow_schema,
            compression="none",
        )


layouts = st.builds(
    Layout,
    group=st.sampled_from([1, 2, 3, 5, 1000]),
    cuts=st.lists(st.integers(0, 30), max_size=2),
    statistics=st.sampled_from([True, True, False]),
    dictionary=st.booleans(),
    arrow_schema=st.sampled_from([True, True, False]),
    shuffled=st.booleans(),
)
