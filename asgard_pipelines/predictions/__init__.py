"""Prediction tables: scored rows published to Iceberg in one commit, named by their model version."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgard_pipelines.predictions.publication import Published, last_published, publish

__all__ = ["Published", "last_published", "publish"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from asgard_pipelines.predictions import publication

        return getattr(publication, name)
    raise AttributeError(name)
