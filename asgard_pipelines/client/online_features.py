"""What is online of some entities: values, and how each was found."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("asgard_pipelines.client")
_MOST_TOLD = 20


@dataclass(frozen=True)
class OnlineFeatures:
    """For each row that was asked, in that order: feature -> value, and feature -> FOUND, NOT_FOUND or
    EXPIRED (older than its view's TTL). No keys of entities are among them.

    Values are those of JSON: numbers, text, truth values, lists; a time is text in UTC, such as
    2024-06-30T15:45:23Z. What is not FOUND is None, and so is a number that is not finite.
    """

    rows: list[dict[str, Any]]
    statuses: list[dict[str, str]]

    @property
    def complete(self) -> bool:
        """Whether every value is FOUND; a null that was stored is."""
        return all(status == "FOUND" for one in self.statuses for status in one.values())

    def to_df(self) -> pd.DataFrame:
        """A row for each that was asked, a column for each feature."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def valid(entities: dict[str, list[Any]], found: OnlineFeatures) -> bool:
    """Whether all was found; says in the log what was not."""
    told = 0
    for place, statuses in enumerate(found.statuses):
        amiss = [f"{name} {status}" for name, status in statuses.items() if status != "FOUND"]
        if amiss and told < _MOST_TOLD:
            told += 1
            entity = {name: values[place] for name, values in entities.items()}
            _log.warning("features of %s: %s", entity, ", ".join(amiss))
    return found.complete
