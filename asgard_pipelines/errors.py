"""Every error Asgard raises on purpose.

::

    AsgardError                  code                   HTTP
    ├── NotFound                                         404
    │   ├── TableNotFound        TABLE_NOT_FOUND
    │   ├── SnapshotNotFound     SNAPSHOT_NOT_FOUND
    │   ├── FeatureViewNotFound  FEATURE_VIEW_NOT_FOUND
    │   ├── ModelNotFound        MODEL_NOT_FOUND
    │   └── DeclarationNotFound  NOT_FOUND
    ├── Invalid                  VALIDATION_ERROR        400
    │   ├── ColumnNotFound       COLUMN_NOT_FOUND
    │   ├── TypeMismatch         TYPE_MISMATCH
    │   ├── NotEnoughSamples     NOT_ENOUGH_SAMPLES
    │   ├── NoDataFound          NO_DATA_FOUND
    │   ├── InvalidSql           INVALID_SQL
    │   ├── InvalidSettings      INVALID_SETTINGS
    │   └── InvalidDeclarations  INVALID_DECLARATIONS    (several Problems, reported together)
    ├── Conflict                 CONFLICT                409
    ├── Untrusted                UNTRUSTED_ARTEFACT      409
    ├── Unsupported              UNSUPPORTED             400
    ├── Unauthenticated          UNAUTHENTICATED         401
    ├── Forbidden                FORBIDDEN               403
    ├── PayloadTooLarge          PAYLOAD_TOO_LARGE       413
    ├── RateLimited              RATE_LIMITED            429
    ├── RunFailed                RUN_FAILED              500
    └── BackendUnavailable       BACKEND_UNAVAILABLE     503
        └── IsolationUnavailable ISOLATION_UNAVAILABLE

A message is one sentence for a person: what was wrong, where, and what would be right.
``details`` is the same for a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the closest of `known`, or an empty string."""
    close = get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


class AsgardError(Exception):
    """Root of the tree. `details` must be JSON-able and free of secrets."""

    code: ClassVar[str] = "ASGARD_ERROR"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


def recalled(code: str, message: str, details: Mapping[str, Any]) -> AsgardError | None:
    """An error as it was raised elsewhere, in a run's process; None for a code that no error has."""
    kinds = [AsgardError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        if kind.code == code:
            error = kind.__new__(kind, message)
            AsgardError.__init__(error, message, **details)
            return error
    return None


class NotFound(AsgardError):
    code = "NOT_FOUND"
    status = 404


class TableNotFound(NotFound):
    code = "TABLE_NOT_FOUND"

    def __init__(self, table: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(
            f"Table '{table}' not found.{did_you_mean(table, known)}",
            table=table,
            available_tables=known,
        )


class SnapshotNotFound(NotFound):
    code = "SNAPSHOT_NOT_FOUND"


class FeatureViewNotFound(NotFound):
    code = "FEATURE_VIEW_NOT_FOUND"

    def __init__(self, view: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(
            f"Feature view '{view}' not found.{did_you_mean(view, known)}",
            feature_view=view,
            available_views=known,
        )


class ModelNotFound(NotFound):
    code = "MODEL_NOT_FOUND"


class DeclarationNotFound(NotFound):
    code = "NOT_FOUND"


class Invalid(AsgardError):
    code = "VALIDATION_ERROR"
    status = 400


class ColumnNotFound(Invalid):
    """`sql` is the statement that would add the column, where its type is known."""

    code = "COLUMN_NOT_FOUND"

    def __init__(self, column: str, present: Iterable[str], *, table: str, sql: str | None = None) -> None:
        present = list(present)
        added = f" To add it: {sql}" if sql else ""
        super().__init__(
            f"Column '{column}' not found in '{table}'.{did_you_mean(column, present)} "
            f"Present: {', '.join(present)}.{added}",
            column=column,
            table=table,
            present=present,
            **({"sql": sql} if sql else {}),
        )


class TypeMismatch(Invalid):
    code = "TYPE_MISMATCH"


class NotEnoughSamples(Invalid):
    code = "NOT_ENOUGH_SAMPLES"


class NoDataFound(Invalid):
    """What was to be brought online has no rows."""

    code = "NO_DATA_FOUND"

    def __init__(self, view: str, table: str) -> None:
        super().__init__(
            f"No data found in source: '{table}' has no rows for '{view}'.", feature_view=view, table=table
        )


class InvalidSql(Invalid):
    code = "INVALID_SQL"


class InvalidSettings(Invalid):
    code = "INVALID_SETTINGS"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one declaration: where it stands, and what would be right."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" + (f" [{self.field}]" if self.field else "")
        return f"{where} {self.message}"


class InvalidDeclarations(Invalid):
    code = "INVALID_DECLARATIONS"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count > 1 else ''} in the declarations:"
        super().__init__(
            "\n".join([head, *(f"  {p}" for p in self.problems)]),
            problems=[vars(p) for p in self.problems],
        )


class Conflict(AsgardError):
    code = "CONFLICT"
    status = 409


class Untrusted(AsgardError):
    """An artefact's bytes are not what was registered, or hold a type that is not allowed."""

    code = "UNTRUSTED_ARTEFACT"
    status = 409


class Unsupported(AsgardError):
    code = "UNSUPPORTED"
    status = 400


class Unauthenticated(AsgardError):
    code = "UNAUTHENTICATED"
    status = 401


class Forbidden(AsgardError):
    code = "FORBIDDEN"
    status = 403


class PayloadTooLarge(AsgardError):
    code = "PAYLOAD_TOO_LARGE"
    status = 413


class RateLimited(AsgardError):
    code = "RATE_LIMITED"
    status = 429


class RunFailed(AsgardError):
    """A run of the graph ended with an error that nobody foresaw."""

    code = "RUN_FAILED"
    status = 500


class BackendUnavailable(AsgardError):
    code = "BACKEND_UNAVAILABLE"
    status = 503


class IsolationUnavailable(BackendUnavailable):
    """Scripts cannot be isolated on this machine, and so none is run."""

    code = "ISOLATION_UNAVAILABLE"
