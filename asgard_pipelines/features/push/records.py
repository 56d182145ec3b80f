"""Records that are pushed, each looked at for itself: rows of those that are right, verdicts on the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from asgard_pipelines.declarations import Declarations, FeatureView
from asgard_pipelines.errors import did_you_mean
from asgard_pipelines.features.given_values import Given, given_time
from asgard_pipelines.features.online.answer import AHEAD
from asgard_pipelines.features.online.few_values import FEW
from asgard_pipelines.features.push.rows import stored_as

EVENT_TIMESTAMP, FEATURES = "event_timestamp", "features"
_Columns = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Sequence[Any]]]


@dataclass(frozen=True)
class Verdict:
    """On the record at `record`, counted from 0; `field` is the feature or key that it is about."""

    record: int
    field: str
    message: str


@dataclass
class CheckedRecords:
    """The records that are right, in their order: `columns` are the join keys and features (see
    `Given.column`), `event` their times in microseconds since 1970 (UTC)."""

    columns: dict[str, list[Any]]
    event: list[int]
    errors: list[Verdict]
    warnings: list[Verdict]


class PushSource:
    """The views that one push source feeds, and what a record of it holds."""

    def __init__(self, declarations: Declarations, name: str) -> None:
        """Raises DeclarationNotFound."""
        views = declarations.pushed_by(name)
        self.views: Mapping[str, FeatureView] = {view.name: view for view in views}
        self.columns = {view.name: [*view.join_keys, *view.feature_names] for view in views}
        """By view: the names of its keys and features."""
        self.stored_as = {view.name: stored_as(view) for view in views}
        """By view, as `PushedRows` has it."""
        entities = {entity.join_key: entity for entity in declarations.entities}
        self.key_types = {key: entities[key].dtype for view in views for key in view.join_keys}
        """Of all the views: join key -> declared type."""
        self._keys = {key: Given(dtype, key=True) for key, dtype in self.key_types.items()}
        self._key_of = {entities[key].name: key for key in self._keys if entities[key].name not in self._keys}
        self._features = {one.name: Given(one.dtype) for view in views for one in view.features}
        self._of_type: dict[str, list[str]] = {}
        for feature, given in self._features.items():
            self._of_type.setdefault(given.dtype, []).append(feature)
        self._names = {*self._keys, EVENT_TIMESTAMP, FEATURES}
        self._outer = _columns([*self._keys, EVENT_TIMESTAMP, FEATURES])
        self._inner = _columns(list(self._features))

    def check(self, records: Sequence[Mapping[str, Any]], now: datetime) -> CheckedRecords:
        """
        Args:
            now: UTC; what is further ahead of it than clocks differ is taken with a warning.
        """
        check = _Check(self._keys, self._key_of, self._features, self._of_type, self._names, records, now)
        return check.result(self._outer, self._inner)


@dataclass
class _Check:
    keys: Mapping[str, Given]
    key_of: Mapping[str, str]
    features: Mapping[str, Given]
    of_type: Mapping[str, Sequence[str]]
    """Declared type -> those of the features that have it."""
    names: set[str]
    records: Sequence[Mapping[str, Any]]
    now: datetime
    errors: dict[int, Verdict] = field(default_factory=dict)
    """Of each record that is wrong the first thing that is."""

    def result(self, outer: _Columns, inner: _Columns) -> CheckedRecords:
        """
        Args:
            outer, inner: what gives the columns of records and of their features.
        """
        try:
            given = outer(self.records)
            features = inner(given[FEATURES]) if self._of_one_shape(given[FEATURES]) else None
        except KeyError:
            features = None
        if features is None:  # each record is looked at
            given = outer([self._named(place, record) for place, record in enumerate(self.records)])
            features = inner(given[FEATURES])
        columns = {key: self._column(key, one, given[key], key=True) for key, one in self.keys.items()}
        if len(self.records) <= FEW and self._as_they_are(features):
            columns |= {name: list(values) for name, values in features.items()}
        else:
            columns |= {name: self._column(name, one, features[name]) for name, one in self.features.items()}
        event = self._times(given[EVENT_TIMESTAMP])
        warnings = self._ahead(event)
        if self.errors:
            right = [place for place in range(len(self.records)) if place not in self.errors]
            columns = {name: [column[place] for place in right] for name, column in columns.items()}
            event = [event[place] for place in right]
        errors = [self.errors[place] for place in sorted(self.errors)]
        return CheckedRecords(columns, event, errors, warnings)

    def _wrong(self, place: int, about: str, message: str) -> None:
        self.errors.setdefault(place, Verdict(place, about, message))

    def _of_one_shape(self, features: Sequence[Any]) -> bool:
        """Each with as many names as it has to have: whether those are right is seen when they are taken."""
        return (
            set(map(type, features)) <= {dict}
            and set(map(len, features)) <= {len(self.features)}
            and set(map(len, self.records)) <= {len(self.names)}
        )

    def _as_they_are(self, features: Mapping[str, Sequence[Any]]) -> bool:
        """All columns of a type are looked at as one: of a few rows that is quicker."""
        return all(
            self.features[names[0]].as_they_are([value for name in names for value in features[name]])
            for names in self.of_type.values()
        )

    def _named(self, place: int, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record, its keys under the names of join keys; all nulls where names are wrong."""
        if record.keys() != self.names:
            named = {self.key_of.get(name, name): value for name, value in record.items()}
            if not self._right_names(place, named.keys(), self.names, "The record"):
                return self._nulls()
            if len(named) < len(record):
                twice = next(name for name in record if name in self.key_of)
                self._wrong(place, twice, f"The record names '{twice}' twice, as entity and as key.")
            record = named
        features = record[FEATURES]
        if not isinstance(features, Mapping):
            self._wrong(place, FEATURES, "`features` has to be an object: feature names and their values.")
            return self._nulls()
        if features.keys() != self.features.keys() and not self._right_names(
            place, features.keys(), self.features.keys(), "`features`"
        ):
            return self._nulls()
        return record

    def _nulls(self) -> Mapping[str, Any]:
        return dict.fromkeys(self.names) | {FEATURES: dict.fromkeys(self.features)}

    def _right_names(self, place: int, found: Any, wanted: Any, what: str) -> bool:
        missing, extra = sorted(wanted - found), sorted(found - wanted)
        if missing:
            self._wrong(
                place, missing[0], f"{what} omits {', '.join(missing)}: each push gives all of a row."
            )
        elif extra:
            hint = did_you_mean(extra[0], wanted)
            told = ", ".join(name[:100] for name in extra)
            self._wrong(place, extra[0][:100], f"{what} holds {told}, which the push source has not.{hint}")
        return not missing and not extra

    def _column(self, name: str, given: Given, values: Sequence[Any], *, key: bool = False) -> list[Any]:
        column, wrong = given.column(values)
        for place in wrong:
            self._wrong(place, name, f"'{name}' is {given.dtype}, and {str(values[place])[:100]!r} is none.")
        if key and None in column:
            for place, value in enumerate(values):
                if value is None:
                    self._wrong(place, name, f"'{name}' is null: a row needs its key.")
        return column

    def _times(self, values: Sequence[Any]) -> list[int]:
        try:
            known = {value: given_time(value) for value in set(values)}
        except (ValueError, TypeError, OverflowError):
            return [self._time(place, value) for place, value in enumerate(values)]
        return list(map(known.__getitem__, values))

    def _time(self, place: int, value: Any) -> int:
        try:
            return given_time(value)
        except (ValueError, TypeError, OverflowError):
            said = f"{str(value)[:100]!r} is no time such as 2025-01-31T12:00:00Z."
            self._wrong(place, EVENT_TIMESTAMP, said)
            return 0

    def _ahead(self, event: Sequence[int]) -> list[Verdict]:
        latest = int(self.now.timestamp() * 1_000_000) + AHEAD
        if max(event, default=0) <= latest:
            return []
        told = "The event time lies in the future: the first materialization after it puts the row online."
        return [
            Verdict(place, EVENT_TIMESTAMP, told)
            for place, at in enumerate(event)
            if at > latest and place not in self.errors
        ]


def _columns(names: Sequence[str]) -> _Columns:
    """What gives, by name, the values of rows. It raises KeyError: a row lacks one of the names."""
    if len(names) == 1:
        return lambda rows: {names[0]: [row[names[0]] for row in rows]}
    if not names:
        return lambda rows: {}
    taken = itemgetter(*names)

    def columns(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
        values = zip(*map(taken, rows), strict=True) if rows else [()] * len(names)
        return dict(zip(names, values, strict=True))

    return columns
