"""Scoring a table and publishing the result: one commit, keyed by its prediction id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Declarations, FeatureRef, Prediction, Record, fingerprint
from asgard_pipelines.errors import Conflict, Invalid
from asgard_pipelines.lakehouse import Lakehouse, OneOf, Pin
from asgard_pipelines.settings import Settings

if TYPE_CHECKING:
    from asgard_pipelines.models import ModelVersion
    from asgard_pipelines.training import Scores

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
) -> tuple[Published, Pin]:
    """Scores the input's rows with `version` and publishes them; the record and its snapshot.

    `pins` names the snapshot of the input table and of every view's table. A second call with the
    same version and pins finds the prediction id in the table and does nothing.

    Raises:
        Invalid: the views do not supply a trained feature, or no row has a feature within TTL.
        Conflict: the output table exists with another schema.
    """
    from asgard_pipelines.features import historical_features
    from asgard_pipelines.training import load_predictor

    source = pins[prediction.input_table]
    instants = _instants(lakehouse, prediction, source)
    prediction_id = _identity(prediction, version, pins, instants)
    done = lakehouse.find(prediction.table, prediction_id) if lakehouse.exists(prediction.table) else None
    if done is not None:
        return Published.model_validate_json(lakehouse.summary(done)[_SUMMARY]), done
    predictor = load_predictor(settings, version)
    refs = supplied(declarations, prediction, predictor.inputs)
    columns = [*prediction.entity_columns, prediction.event_timestamp_column]
    rows = lakehouse.read_table(source, columns, _where(prediction, instants))
    joined = historical_features(
        settings, lakehouse, declarations, rows, prediction.event_timestamp_column, refs, pins
    )
    _covered(prediction, joined.coverage)
    now = datetime.now(UTC)
    scored = _rows(prediction, version, rows, predictor.predict(joined.table), prediction_id, now)
    record = Published(
        table=prediction.table,
        prediction_id=prediction_id,
        model_id=version.model_id,
        model_version=version.version,
        rows=scored.num_rows,
        instants=instants,
        inputs=list(predictor.inputs),
        sources={pin.table: pin.snapshot_id for pin in [source, *joined.reads] if pin.snapshot_id},
        feature_coverage=joined.coverage,
        declaration=fingerprint(prediction),
        predicted_at=now,
    )
    _same_schema(lakehouse, prediction, scored)
    commit = lakehouse.overwrite(
        prediction.table,
        scored,
        where=_where(prediction, instants),
        key=prediction_id,
        properties={_SUMMARY: record.model_dump_json()},
    )
    return record, commit.pin


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
    column = lakehouse.read_table(source, [prediction.event_timestamp_column])[0]
    present = sorted({value.replace(tzinfo=UTC) for value in pc.unique(column).to_pylist() if value})
    if not present:
        raise Invalid(f"'{prediction.input_table}' has no rows to predict.", table=prediction.input_table)
    last = last_published(lakehouse, prediction)
    scored = max(last.instants) if last and last.instants else None
    newer = [instant for instant in present if scored and instant > scored]
    return newer or [present[-1]]


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


def _rows(
    prediction: Prediction,
    version: ModelVersion,
    rows: pa.Table,
    scores: Scores,
    prediction_id: str,
    now: datetime,
) -> pa.Table:
    out = rows.append_column(prediction.prediction_column_name, scores.prediction)
    if scores.label is not None:
        out = out.append_column("predicted_label", scores.label)
    if scores.probabilities is not None:
        out = out.append_column("probabilities", scores.probabilities)
    for name, value in {
        "model_id": version.model_id,
        "model_version": version.version,
        "prediction_id": prediction_id,
    }.items():
        out = out.append_column(name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    at = pa.scalar(now.replace(tzinfo=None), pa.timestamp("us"))
    return out.append_column("predicted_at", pa.repeat(at, rows.num_rows))


def _same_schema(lakehouse: Lakehouse, prediction: Prediction, scored: pa.Table) -> None:
    if not lakehouse.exists(prediction.table):
        return
    present = set(lakehouse.state(prediction.table).columns)
    if present != set(scored.column_names):
        raise Conflict(
            f"'{prediction.table}' exists with other columns: it has {', '.join(sorted(present))}; "
            f"the prediction writes {', '.join(scored.column_names)}.",
            table=prediction.table,
        )
