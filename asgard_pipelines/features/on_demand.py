"""On-demand views: their functions run by Feast, on features that were joined before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, OnDemandView
from asgard_pipelines.errors import FeatureViewNotFound, Invalid
from asgard_pipelines.features.feast_repo import feast_contents
from asgard_pipelines.features.kinds import cast
from asgard_pipelines.settings import Settings

Columns = dict[tuple[str, str], pa.ChunkedArray]
"""By view and feature."""


class OnDemandFunctions:
    """The functions of `views`, from the repo's code: never from the registry, where Feast pickles them.

    Raises:
        FeatureViewNotFound: the repo's code no longer has a view.
    """

    def __init__(self, settings: Settings, declarations: Declarations, views: Sequence[OnDemandView]) -> None:
        code = {view.name: view for view in feast_contents(settings).on_demand_feature_views}
        for view in views:
            if view.name not in code:
                raise FeatureViewNotFound(view.name, code)
        self._functions = [(view, code[view.name]) for view in views]
        self._declarations = declarations

    def compute(self, joined: Mapping[tuple[str, str], pa.ChunkedArray], rows: int) -> Columns:
        """All features of the views, for rows whose stored features are `joined`.

        Raises:
            Invalid: a function fails, or gives other columns or another number of rows than it should.
        """
        done: Columns = {}
        for view, function in self._functions:
            for name, column in self._called(view, function, joined, rows).items():
                done[view.name, name] = column
        return done

    def _called(
        self, view: OnDemandView, function: Any, joined: Mapping[tuple[str, str], pa.ChunkedArray], rows: int
    ) -> dict[str, pa.ChunkedArray]:
        inputs = pa.table(
            {
                f"{source}__{name}": joined[source, name]
                for source in view.sources
                for name in self._declarations.view(source).feature_names
            }
        )
        try:
            result = function.transform_arrow(inputs)
        except Exception as error:  # whatever the user's function raises
            raise Invalid(
                f"On-demand view '{view.name}' failed: {type(error).__name__}: {error}", view=view.name
            ) from error
        if len(result) != rows:
            raise Invalid(f"On-demand view '{view.name}' gave {len(result)} rows for {rows}.", view=view.name)
        for feature in view.features:
            if feature.name not in result.column_names:
                raise Invalid(
                    f"On-demand view '{view.name}' gave no column '{feature.name}'.", view=view.name
                )
        return {feature.name: cast(result[feature.name], feature) for feature in view.features}
