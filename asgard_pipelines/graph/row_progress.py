"""How far an asset is through its rows: heard by who runs it in this process, and logged now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg

OnRows = Callable[[str, int, int], None]
"""Told the asset, how many rows are done, and of how many."""

_SECONDS = 30.0


class RowProgress:
    """Called with the rows done and all rows; Dagster's log gets a line every half minute."""

    def __init__(self, context: dg.AssetExecutionContext, heard: OnRows | None) -> None:
        self._log = context.log
        self._asset = context.asset_key.to_user_string()
        self._heard = heard
        self._logged = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if self._heard:
            self._heard(self._asset, done, total)
        if time.monotonic() - self._logged > _SECONDS:
            self._logged = time.monotonic()
            self._log.info(f"{done:,} of {total:,} rows ({done / total:.0%})")
