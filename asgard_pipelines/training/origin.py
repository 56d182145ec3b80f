"""What a version was made from and with: enough to make it again when the declarations have changed."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version as installed

from pydantic import ValidationError

from asgard_pipelines import __version__
from asgard_pipelines.declarations import Candidate, Declarations, Record, ResolvedModel
from asgard_pipelines.errors import Unsupported
from asgard_pipelines.training.training_set import TrainingSet

ORIGIN = "origin.json"
"""The file beside the model that holds it, verified with it."""

_LIBRARIES = (
    *("feast", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "pyiceberg"),
    *("scikit-learn", "scipy", "skops", "xgboost"),
)


class Origin(Record):
    """Everything but the rows themselves, which are at the training set's sources' snapshots."""

    declarations: Declarations
    """As they were: the model, and the views that it stands on."""
    candidate: Candidate
    training_set: TrainingSet
    threads: int
    """How many were allowed: some estimators add up in another order with other numbers of them."""
    libraries: dict[str, str]
    """Name -> version; Asgard itself, Python and the machine among them."""

    @property
    def resolved(self) -> ResolvedModel:
        return self.declarations.models[0]

    @classmethod
    def of(
        cls,
        declarations: Declarations,
        resolved: ResolvedModel,
        candidate: Candidate,
        training_set: TrainingSet,
        threads: int,
    ) -> Origin:
        """What is being made here and now."""
        used = Declarations(
            project=declarations.project,
            views=[view for view in declarations.views if view.name in resolved.views],
            on_demand_views=[v for v in declarations.on_demand_views if v.name in resolved.on_demand_views],
            models=[resolved],
        )
        return cls(
            declarations=used,
            candidate=candidate,
            training_set=training_set,
            threads=threads,
            libraries=libraries(),
        )

    @classmethod
    def read(cls, data: bytes, model_id: str) -> Origin:
        """Raises Unsupported: another Asgard wrote it, in words that this one does not know."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            writer = json.loads(data).get("libraries", {}).get("asgard", "?")
            first = error.errors()[0]
            raise Unsupported(
                f"'{ORIGIN}' of {model_id} was written by Asgard {writer}, and {__version__} cannot read it: "
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}.",
                model_id=model_id,
                asgard=writer,
            ) from error


def libraries() -> dict[str, str]:
    """What can make the same rows come out otherwise, by name, in the versions of this process."""
    return {
        "asgard": __version__,
        "python": platform.python_version(),
        "machine": _machine(),
        **{name: installed(name) for name in _LIBRARIES},
    }


def _machine() -> str:
    """With the kernels that linear algebra has for its processor: they differ in how they round."""
    import numpy  # noqa: F401 (brings the library that is asked)
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it ships no types

    found = {
        one.get("architecture", one["internal_api"]) for one in threadpool_info() if one["user_api"] == "blas"
    }
    return f"{platform.machine()} ({', '.join(sorted(found))})"
