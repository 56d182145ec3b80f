"""Times for cases that are written by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa

NOON = datetime(2024, 2, 29, 12)
US = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
TIMES = pa.timestamp("us")


def times(*instants: datetime | None) -> pa.Array:
    return pa.array(instants, TIMES)
