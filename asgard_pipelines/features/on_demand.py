"""On-demand views: their functions run by Feast, on features that were joined before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from asgard_pipelines.declarations import Declarations, FeatureRef
from asgard_pipelines.errors import FeatureViewNotFound, Invalid
from asgard_pipelines.features.feast_repo import feast_contents
from asgard_pipelines.features.kinds import cast
from asgard_pipelines.settings import Settings

Columns = dict[tuple[str, str], pa.ChunkedArray]


def compute(
    settings: Settings,
    declarations: Declarations,
    refs: Sequence[FeatureRef],
    joined: Mapping[tuple[str, str], pa.ChunkedArray],
    rows: int,
) -> Columns:
    """The features of on-demand views, by view and feature.

    The functions come from the repo's code, never from the registry, where Feast keeps them as pickles.

    Raises:
        FeatureViewNotFound: the repo's code no longer has the view.
        Invalid: the function fails, or gives other columns or another number of rows than it should.
    """
    code = {view.name: view for view in feast_contents(settings).on_demand_feature_views}
    done: Columns = {}
    for name in dict.fromkeys(ref.view for ref in refs):
        if name not in code:
            raise FeatureViewNotFound(name, code)
        view = next(view for view in declarations.on_demand_views if view.name == name)
        inputs = pa.table(
            {f"{s}__{f}": joined[s, f] for s in view.sources for f in declarations.view(s).feature_names}
        )
        try:
            result = code[name].transform_arrow(inputs)
        except Exception as error:  # whatever the user's function raises
            raise Invalid(
                f"On-demand view '{name}' failed: {type(error).__name__}: {error}", view=name
            ) from error
        if len(result) != rows:
            raise Invalid(f"On-demand view '{name}' gave {len(result)} rows for {rows}.", view=name)
        for feature in view.features:
            if feature.name not in result.column_names:
                raise Invalid(f"On-demand view '{name}' gave no column '{feature.name}'.", view=name)
            done[name, feature.name] = cast(result[feature.name], feature)
    return done
