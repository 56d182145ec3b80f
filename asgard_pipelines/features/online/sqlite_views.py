"""The views of one Feast project in the online store's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from asgard_pipelines.features.online.sqlite_file import SqliteFile
from asgard_pipelines.features.online.sqlite_tables import ViewTables, view_tables

T = TypeVar("T")


class SqliteViews:
    def __init__(self, project: str, file: SqliteFile) -> None:
        self._project, self.file = project, file

    def tables(self, view: str) -> ViewTables:
        return view_tables(self.name(view))

    def name(self, view: str) -> str:
        """Of the view's table, as Feast calls it."""
        return f"{self._project}_{view}"

    def make(self, view: str) -> None:
        with self.file.writing() as db:
            self.tables(view).make(db)

    def looked_up(self, view: str, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `look` finds in the view's tables; None where there are none. Raises BackendUnavailable."""
        try:
            if (db := self.file.reading()) is None:
                return None
            try:
                return look(db)
            except sqlite3.OperationalError as error:
                if "no such" not in str(error):
                    raise
            there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
            if not db.execute(there, (self.name(view),)).fetchone():
                return None
            self.make(view)  # Feast made the table
            return look(db)
        except sqlite3.DatabaseError as error:  # `answering` takes longer to be left than this to be passed
            raise self.file.unavailable(error) from error
