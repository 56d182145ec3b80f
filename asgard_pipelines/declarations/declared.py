"""What every declaration has: a name, a description, owners, tags, and the place where it stands."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
"""A name that is one plain SQL identifier and one path segment of an asset key."""

ColumnType = str
"""`int32 int64 float32 float64 string bool timestamp`, or `array<…>` of one of them."""


class Record(BaseModel):
    """A frozen value; unknown fields are refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Where(Record):
    """The place of a declaration: a path relative to the repo's folder, and a line."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Declared(Record):
    name: Name
    description: str = ""
    owner: str | None = None
    """An e-mail address, or `team:NAME`."""
    tags: dict[str, str] = Field(default_factory=dict)
    where: Where
