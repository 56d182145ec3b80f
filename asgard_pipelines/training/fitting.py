"""Fitting one candidate on rows in memory, and the whole of what was fitted as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.compose import ColumnTransformer

from asgard_pipelines.errors import Invalid, Untrusted
from asgard_pipelines.training.codec import dump_skops, load_skops
from asgard_pipelines.training.frameworks import FRAMEWORKS, Fitted, Needs, Task
from asgard_pipelines.training.hyperparameters import Recipe
from asgard_pipelines.training.inputs import frame_of
from asgard_pipelines.training.preprocessing import as_matrix, by_input, matrix_of, preprocessing_for
from asgard_pipelines.training.signature import Signature

PREPROCESSING = "preprocessing.skops"
SIGNATURE = "signature.json"
_CHUNK = 131_072
_FEW_ROWS = 10_000
"""Below that, threads wait for each other longer than they work, above all on a busy machine."""


@dataclass(frozen=True)
class FittedModel:
    """An estimator with its preprocessing and signature: all that scoring needs."""

    signature: Signature
    preprocessing: ColumnTransformer
    needs: Needs
    estimator: Fitted

    def scores(self, table: pa.Table) -> NDArray[np.float64]:
        """Classification: probabilities, one column per class. Regression: values.

        Raises:
            ColumnNotFound, TypeMismatch: inputs that are missing or of another kind.
            Invalid: a value is missing, and the model takes none that are.
        """
        chunks = range(0, max(table.num_rows, 1), _CHUNK)
        return np.concatenate([self._scores(table.slice(start, _CHUNK)) for start in chunks])

    def _scores(self, table: pa.Table) -> NDArray[np.float64]:
        if table.num_rows == 0:
            shape = (0, len(self.signature.classes)) if self.signature.classes else (0,)
            return np.empty(shape)
        frame = frame_of(table, self.signature.inputs)
        if not self.takes_missing and (missing := [str(name) for name in frame if frame[name].isna().any()]):
            raise Invalid(
                f"{', '.join(missing)}: this model was made by a script and takes no missing values.",
                missing=missing,
            )
        return self.estimator.predict(matrix_of(self.preprocessing, frame, self.needs))

    @property
    def takes_missing(self) -> bool:
        """Whether the estimator does, or the preprocessing fills them: that of our own models does."""
        steps = [step for _, step, _ in self.preprocessing.transformers]
        return not self.needs.complete or "passthrough" not in [one for one in steps if isinstance(one, str)]

    def trial_row(self) -> pa.Table:
        """A row that it has to score: of missing values, or of zeros where none may be missing."""
        inputs, zero = self.signature.inputs, pa.array([0])
        if self.takes_missing:
            return pa.table({one.name: pa.nulls(1) for one in inputs})
        return pa.table({one.name: zero.cast(pa.bool_()) if one.kind == "bool" else zero for one in inputs})

    def importances(self) -> dict[str, float]:
        """Share of each input, summing to 1, largest first."""
        return by_input(self.preprocessing, self.signature.inputs, self.estimator.importances())

    def files(self) -> dict[str, bytes]:
        """File name -> bytes; `FittedModel.load` reads them back."""
        framework = FRAMEWORKS[self.signature.framework]()
        return {
            framework.FILE: self.estimator.dump(),
            PREPROCESSING: dump_skops(self.preprocessing),
            SIGNATURE: self.signature.model_dump_json(indent=2).encode(),
        }

    @classmethod
    def load(cls, files: Mapping[str, bytes], threads: int) -> FittedModel:
        """Raises Untrusted: a file is missing, or holds what no model of ours is made of."""
        try:
            signature = Signature.model_validate_json(files[SIGNATURE])
            framework = FRAMEWORKS[signature.framework]()
            algorithm = framework.algorithms(signature.model_type)[signature.estimator]
            return cls(
                signature,
                load_skops(files[PREPROCESSING], PREPROCESSING),
                algorithm.needs,
                framework.load(files[framework.FILE], len(signature.classes), threads),
            )
        except (KeyError, ValidationError) as error:
            raise Untrusted(f"The artefact is not a whole model of ours: {error}") from error


def fit(
    recipe: Recipe, signature: Signature, rows: pa.Table, target: NDArray[np.float64], threads: int
) -> FittedModel:
    """Fit on `rows`, whose labels are `target` (class codes or values).

    Raises:
        Invalid: the library refuses the hyperparameters together.
    """
    needs = recipe.algorithm.needs
    frame = frame_of(rows, signature.inputs)
    # A column without any value has no mean and no bins: zeros, from which nothing is learnt.
    frame = frame.fillna({name: 0.0 for name in frame.select_dtypes("float64") if frame[name].isna().all()})
    preprocessing = preprocessing_for(signature.inputs, needs)
    matrix = as_matrix(preprocessing.fit_transform(frame), needs)
    threads = recipe.threads or (threads if rows.num_rows > _FEW_ROWS else 1)
    task = Task(recipe.filled(rows.num_rows), len(signature.classes), recipe.seed, threads)
    weights = _balanced(target, len(signature.classes)) if recipe.balanced else None
    fitted = recipe.algorithm.fit(task, matrix, target, weights)
    return FittedModel(signature, preprocessing, needs, fitted)


def _balanced(codes: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Every class weighs the same in sum."""
    whole = codes.astype(np.int64)
    counts = np.bincount(whole, minlength=classes)
    return np.asarray((len(whole) / (classes * counts))[whole], dtype=np.float64)
