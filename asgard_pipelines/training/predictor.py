"""Scoring with a registered version: verified bytes in, scores out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from asgard_pipelines.declarations import FeatureRef
from asgard_pipelines.errors import Unsupported, Untrusted
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.evaluation import chosen
from asgard_pipelines.training.fitting import FittedModel
from asgard_pipelines.training.origin import ORIGIN, Origin
from asgard_pipelines.training.signature import Signature


@dataclass(frozen=True)
class Scores:
    """One value per row, in the rows' order.

    ============  ===================================  =========  ==============================
    model         prediction                           label      probabilities
    ============  ===================================  =========  ==============================
    binary        float64: of the positive class       the class  None
    multiclass    the class                            None       map<string, float64>: by class
    regression    float64: the value                   None       None
    ============  ===================================  =========  ==============================

    A class has the type of the label's column: bool, int64 or string.
    """

    prediction: pa.Array
    label: pa.Array | None
    probabilities: pa.Array | None


@dataclass(frozen=True)
class Predictor:
    """A loaded version."""

    version: ModelVersion
    fitted: FittedModel

    @property
    def signature(self) -> Signature:
        return self.fitted.signature

    @property
    def inputs(self) -> dict[str, str]:
        """Input -> declared type, in the order in which the model takes them."""
        return {one.name: one.dtype for one in self.signature.inputs}

    def predict(self, table: pa.Table) -> Scores:
        """Score every row of `table`; columns that are no inputs are left aside.

        Raises:
            ColumnNotFound, TypeMismatch: inputs that are missing or of another kind.
            Invalid: a value is missing, and the model, which a script made, takes none that are.
        """
        scores = self.fitted.scores(table)
        signature = self.signature
        if not signature.classes:
            return Scores(pa.array(scores), None, None)
        classes = pa.array(signature.classes).take(pa.array(chosen(signature, scores)))
        if signature.binary:
            return Scores(pa.array(np.ascontiguousarray(scores[:, signature.positive])), classes, None)
        return Scores(classes, None, _by_class(signature, scores))


def _by_class(signature: Signature, scores: np.ndarray) -> pa.MapArray:
    rows, count = scores.shape
    names = pa.array([str(one) for one in signature.classes])
    keys = names.take(pa.array(np.tile(np.arange(count), rows)))
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * count)
    return pa.MapArray.from_arrays(offsets, keys, pa.array(scores.ravel()))


def load_predictor(settings: Settings, version: ModelVersion, *, threads: int | None = None) -> Predictor:
    """The version's model, ready to score with so many threads; None: as many as the settings say.

    Raises:
        Untrusted: bytes that are not those registered, or hold what no model of ours is made of.
    """
    files = ModelRegistry(settings).artefact(version)
    try:
        predictor = Predictor(version, FittedModel.load(files, threads or settings.thread_count))
        predictor.predict(predictor.fitted.trial_row())
    except Untrusted as error:
        raise Untrusted(
            f"{version.model_id}: {error.message}", **{**error.details, "model_id": version.model_id}
        ) from error
    except Exception as error:  # whatever is wrong in it, it is no model that was trained here
        raise Untrusted(
            f"{version.model_id}: its files cannot predict a row.",
            model_id=version.model_id,
            cause=type(error).__name__,
        ) from error
    return predictor


def trained_features(settings: Settings, version: ModelVersion) -> list[FeatureRef]:
    """What the version was trained on, in the order in which its model takes it.

    Raises:
        Untrusted: the record of it has not the bytes that were registered.
        Unsupported: another Asgard wrote it, or a script made it.
    """
    data = ModelRegistry(settings).artefact(version, [ORIGIN]).get(ORIGIN)
    if data is None:
        raise Unsupported(
            f"'{version.model_id}' was made by a script, and which views its inputs are from is not known: "
            "send them as `inputs` (`features`).",
            model_id=version.model_id,
        )
    return Origin.read(data, version.model_id).resolved.features
