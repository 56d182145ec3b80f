"""What every declaration has: a name, a description, owners, tags, and the place where it stands."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
"""A name that is one plain SQL identifier and one path segment of an asset key."""

TableName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,2}$", max_length=390)
]
"""`t`, `schema.t` or `iceberg.schema.t`."""

_TYPE = re.compile(r"(?:int32|int64|float32|float64|string|bool|timestamp)")
_OWNER = re.compile(r"team:\S.*|[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)*\.[A-Za-z]{2,}")
_TAG = re.compile(r"(?:[\w.-]{1,63}/)?[\w.-]{1,63}", re.ASCII)
_LONGEST_TAG = 63
_TAG_VALUE = re.compile(r"[\w.-]{0,63}", re.ASCII)


def _known_type(value: str) -> str:
    inner = value.removeprefix("array<").removesuffix(">") if value.startswith("array<") else value
    if not _TYPE.fullmatch(inner) or (inner != value and not value.endswith(">")):
        raise ValueError(
            f"'{value}' is no column type: these are int32, int64, float32, float64, string, bool, "
            "timestamp, and array<…> of them"
        )
    return value


ColumnType = Annotated[str, AfterValidator(_known_type)]
"""`int32 int64 float32 float64 string bool timestamp`, or `array<…>` of one of them."""


# Owners and tags are shown by Dagster, and what it would not take must not get as far.
def _an_owner(value: str) -> str:
    if not _OWNER.fullmatch(value):
        raise ValueError(f"an owner is an e-mail address or team:NAME; '{value}' is neither")
    return value


def _tagged(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if not _TAG.fullmatch(key) or not _TAG_VALUE.fullmatch(text):
            raise ValueError(
                f"tags are made of letters, digits, '_', '-' and '.', at most 63 of them; "
                f"'{key}: {text}' is not"
            )
    return value


Owner = Annotated[str, AfterValidator(_an_owner)]
"""An e-mail address, or `team:NAME`."""
Tags = Annotated[dict[str, str], AfterValidator(_tagged)]


class Record(BaseModel):
    """A frozen value; unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Where(Record):
    """The place of a declaration: a path relative to the repo's folder, and a line."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Deprecation(Record):
    """Since when (UTC) and by whom, where somebody said it outside of the repo."""

    since: datetime | None = None
    by: str | None = None
    instead: str | None = None
    """What to use in its place."""


class Declared(Record):
    name: Name
    description: str = ""
    owner: Owner | None = None
    """An e-mail address, or `team:NAME`."""
    tags: Tags = Field(default_factory=dict)
    where: Where
    deprecated: Deprecation | None = None
    """Who uses it goes on; nobody new can build on it."""

    @property
    def shown_tags(self) -> dict[str, str]:
        """For pages: with what else stands about it."""
        if self.deprecated is None:
            return self.tags
        return self.tags | {"asgard/deprecated": (self.deprecated.instead or "true")[:_LONGEST_TAG]}
