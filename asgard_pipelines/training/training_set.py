"""A training set's manifest: which rows, from which snapshots, split how."""

from __future__ import annotations

from datetime import datetime

from asgard_pipelines.declarations import Record

SPLIT = "split"
"""The stored table's column that says `train`, `gap` or `test`."""


class TrainingSet(Record):
    """One stored training set: a snapshot of `training_sets.<model>` and what is known of it.

    `rows` = `train_rows` + `gap_rows` + `test_rows`. Times are UTC; `train_end` is the newest
    training row's, `test_start` the oldest test row's, both null for a random split.
    """

    model: str
    table: str
    snapshot_id: int
    sources: dict[str, int]
    """Table -> snapshot id of everything that was read."""
    roots: dict[str, int]
    """External table -> snapshot id that the sources were made from."""
    rows: int
    train_rows: int
    test_rows: int
    gap_rows: int
    train_end: datetime | None
    test_start: datetime | None
    content_hash: str
    """SHA-256 of the rows with their split, whatever their order."""
    declaration_hash: str
    """SHA-256 of what shapes the rows: source, label, window, features and their views, split."""
    coverage: dict[str, float]
    """View -> share of rows for which it had a row within its TTL."""
    label_counts: dict[str, int]
    """Classification: label -> rows. Regression: empty."""
