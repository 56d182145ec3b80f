"""Scoring a table and publishing the result: in one commit, keyed by its prediction id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, FeatureRef, Prediction, Record, fingerprint
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.lakehouse import Lakehouse, OneOf, Pin, TimeRange
from asgard_pipelines.predictions.freed_memory import give_back
from asgard_pipelines.predictions.scoring import Progress, Scoring
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.models import ModelVersion

_SUMMARY = "asgard.prediction"


class Published(Record):
    """One publication, as the snapshot that holds it remembers it.

    `instants` are the event times scored (UTC); null means all rows of the input.
    `inputs` are the features that were scored, `sources` is `{table: snapshot id}` of all that was read.
    """

    table: str
    prediction_id: str
    model_id: str
    model_version: str
    rows: int
    instants: list[datetime] | None
    inputs: list[str]
    sources: dict[str, int]
    feature_coverage: dict[str, float]
    declaration: str
    predicted_at: datetime
    input_table: str | None = None
    """Null for what was published before this was kept."""


def last_published(lakehouse: Lakehouse, prediction: Prediction) -> Published | None:
    """What the output table's current snapshot says of itself; None before the first publication."""
    if not lakehouse.exists(prediction.table):
        return None
    summary = lakehouse.summary(lakehouse.pin(prediction.table))
    return Published.model_validate_json(summary[_SUMMARY]) if _SUMMARY in summary else None


def publish(
    settings: Settings,
    lakehouse: Lakehouse,
    declarations: Declarations,
    prediction: Prediction,
    version: ModelVersion,
    pins: Mapping[str, Pin],
    *,
    prediction_id: str | None = None,
    progress: Progress | None = None,
) -> tuple[Published, Pin]:
    """Scores the input's rows with `version` and publishes them; the record and its snapshot.

    The input's entities and times are held in memory; features, scores and what is written are
    streamed. A second call with the same version and pins finds the prediction id in the table and
    does nothing.

    Args:
        pins: the snapshot of the input table and of every view's table.
        prediction_id: one to take in the place of that of the version and the pins.
        progress: told how many rows are done, and of how many: at first none, then after each batch.

    Raises:
        Invalid: the views do not supply a trained feature, or no row has a feature within TTL.
        Conflict: the output table exists with another schema.
    """
    from asgard_pipelines.features import historical_features
    from asgard_pipelines.training import load_predictor

    source = pins[prediction.input_table]
    instants = _instants(lakehouse, prediction, source)
    prediction_id = prediction_id or _identity(prediction, version, pins, instants)
    done = lakehouse.find(prediction.table, prediction_id) if lakehouse.exists(prediction.table) else None
    if done is not None:
        return _recorded(lakehouse, done), done
    progress = progress or _silent
    predictor = load_predictor(settings, version)
    refs = supplied(declarations, prediction, predictor.inputs)
    time = prediction.event_timestamp_column
    rows = lakehouse.read_table(source, [*prediction.entity_columns, time], _where(prediction, instants))
    scoring = Scoring(prediction, predictor, prediction_id, datetime.now(UTC))
    schema = scoring.schema(rows.schema)
    _same_schema(lakehouse, prediction, schema)
    give_back()
    progress(0, rows.num_rows)
    with ExitStack() as opened:
        joined = historical_features(settings, lakehouse, declarations, rows, time, refs, pins)
        opened.callback(joined.close)
        _covered(prediction, joined.coverage)
        record = Published(
            table=prediction.table,
            prediction_id=prediction_id,
            model_id=version.model_id,
            model_version=version.version,
            rows=rows.num_rows,
            instants=instants,
            inputs=list(predictor.inputs),
            sources={pin.table: pin.snapshot_id for pin in [source, *joined.reads] if pin.snapshot_id},
            feature_coverage=joined.coverage,
            declaration=fingerprint(prediction),
            predicted_at=scoring.at,
            input_table=prediction.input_table,
        )

        def scored() -> pa.RecordBatchReader:
            stream = scoring.stream(joined.batches(), rows.num_rows, progress)
            opened.callback(stream.close)  # before what it reads from
            return pa.RecordBatchReader.from_batches(schema, stream)

        commit = lakehouse.overwrite(
            prediction.table,
            scored,
            where=_where(prediction, instants),
            key=prediction_id,
            properties={_SUMMARY: record.model_dump_json()},
        )
    return (record if commit.landed else _recorded(lakehouse, commit.pin)), commit.pin


def find_published(lakehouse: Lakehouse, table: str, prediction_id: str) -> tuple[Published, Pin] | None:
    """A publication, as long as the table remembers its snapshot."""
    pin = lakehouse.find(table, prediction_id) if lakehouse.exists(table) else None
    if pin is None or _SUMMARY not in lakehouse.summary(pin):
        return None
    return _recorded(lakehouse, pin), pin


def _recorded(lakehouse: Lakehouse, pin: Pin) -> Published:
    return Published.model_validate_json(lakehouse.summary(pin)[_SUMMARY])


def supplied(
    declarations: Declarations, prediction: Prediction, inputs: Mapping[str, str]
) -> list[FeatureRef]:
    """Where each trained input (name -> type) comes from among the prediction's views.

    Raises:
        Invalid: an input that none of the views has.
    """
    views = {view.name: view for view in declarations.all_views}
    found: list[FeatureRef] = []
    for name, dtype in inputs.items():
        view = next(
            (v for v in prediction.feature_views if name in {f.name for f in views[v].features}), None
        )
        if view is None:
            raise Invalid(
                f"The model takes '{name}', which none of the feature views "
                f"{', '.join(prediction.feature_views)} of '{prediction.name}' has.",
                feature=name,
                feature_views=prediction.feature_views,
            )
        found.append(FeatureRef(view=view, feature=name, dtype=dtype))
    return found


def _instants(lakehouse: Lakehouse, prediction: Prediction, source: Pin) -> list[datetime] | None:
    """The event times to score: those after the last scored one, else the newest one again."""
    if prediction.rows == "all":
        return None
    column = prediction.event_timestamp_column
    newest = lakehouse.newest(source, column)
    if newest is None:
        raise Invalid(f"'{prediction.input_table}' has no rows to predict.", table=prediction.input_table)
    last = last_published(lakehouse, prediction)
    scored = max(last.instants) if last and last.instants else newest
    later = TimeRange(column, start=scored + timedelta(microseconds=1))
    found: set[datetime] = set()
    for batch in lakehouse.read(source, [column], [later]) if newest > scored else ():
        found.update(pc.unique(batch.column(0)).to_pylist())
    return sorted(value.replace(tzinfo=UTC) for value in found) or [newest]


def _where(prediction: Prediction, instants: list[datetime] | None) -> list[OneOf]:
    if instants is None:
        return []
    return [OneOf(prediction.event_timestamp_column, tuple(instants))]


def _identity(
    prediction: Prediction,
    version: ModelVersion,
    pins: Mapping[str, Pin],
    instants: list[datetime] | None,
) -> str:
    text = json.dumps(
        [
            fingerprint(prediction),
            version.model_id,
            sorted(str(pin) for pin in pins.values()),
            [instant.isoformat() for instant in instants or []],
        ]
    )
    return f"pred_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _covered(prediction: Prediction, coverage: Mapping[str, float]) -> None:
    if coverage and max(coverage.values()) == 0:
        raise Invalid(
            f"No row of '{prediction.input_table}' has a feature within its view's TTL: "
            "the views' rows are all newer than the input's times, or too old. "
            "Look at the views' ttl and at the input's event times.",
            feature_coverage=dict(coverage),
        )


def _same_schema(lakehouse: Lakehouse, prediction: Prediction, scored: pa.Schema) -> None:
    if not lakehouse.exists(prediction.table):
        return
    present = set(lakehouse.state(prediction.table).columns)
    if present != set(scored.names):
        raise Conflict(
            f"'{prediction.table}' exists with other columns: it has {', '.join(sorted(present))}; "
            f"the prediction writes {', '.join(scored.names)}.",
            table=prediction.table,
        )


def _silent(done: int, total: int) -> None:
    """Nobody asked."""
