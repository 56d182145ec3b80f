"""What a model leaves open, settled against the other declarations: its source, its features, its roots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from asgard_pipelines.declarations import (
    Entity,
    Feature,
    FeatureRef,
    FeatureService,
    FeatureView,
    GoldTable,
    Model,
    OnDemandView,
    ResolvedModel,
)
from asgard_pipelines.errors import did_you_mean
from asgard_pipelines.project.gold_files import known_columns
from asgard_pipelines.settings import CATALOG


class UnresolvedError(Exception):
    """One thing that cannot be settled: the field that says it, and what would be right."""

    def __init__(self, message: str, *field: str | int) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Scope:
    """All that a model or a prediction may refer to."""

    schema: str
    gold: dict[str, GoldTable]
    entities: dict[str, Entity]
    views: dict[str, FeatureView]
    on_demand: dict[str, OnDemandView]
    services: dict[str, FeatureService]

    @cached_property
    def roots(self) -> dict[str, list[str]]:
        """For each table the external tables it is made from, sorted; itself for an external one."""
        found: dict[str, list[str]] = {}

        def of(table: str) -> list[str]:
            if table not in found:
                found[table] = []  # a cycle, refused elsewhere, ends here
                declared = self.gold[table]
                below = (
                    {table}
                    if declared.external
                    else {root for read in declared.reads if read in self.gold for root in of(read)}
                )
                found[table] = sorted(below)
            return found[table]

        for table in self.gold:
            of(table)
        return found

    def table(self, name: str, *field: str | int) -> str:
        """`schema.table` of a gold table, or of a view's table. Raises UnresolvedError."""
        asked = qualified(name, self.schema)
        if asked in self.gold:
            return asked
        if name in self.views:
            return self.views[name].table
        known = [*self.gold, *(table.name for table in self.gold.values()), *self.views]
        raise UnresolvedError(
            f"there is no table or feature view '{name}'.{did_you_mean(name, known)}", *field
        )

    def columns(self, table: str) -> list[str] | None:
        return known_columns(self.gold[table])

    def need(self, table: str, column: str, *field: str | int) -> None:
        """Raises UnresolvedError when `table` is known to have no such column."""
        known = self.columns(table)
        if known is not None and column not in known:
            hint = "" if self.gold[table].sql else " If it is there, name it under the table's `columns`."
            raise UnresolvedError(
                f"Column '{column}' not found in '{table}'.{did_you_mean(column, known)} "
                f"Known: {', '.join(known)}.{hint}",
                *field,
            )

    def need_time(self, table: str, column: str, *field: str | int) -> None:
        """Raises UnresolvedError when `column` is not there, or is known to be no timestamp."""
        self.need(table, column, *field)
        kind = self.gold[table].columns.get(column, "timestamp")
        if kind != "timestamp":
            raise UnresolvedError(f"column '{column}' of '{table}' is {kind}, which is no timestamp", *field)

    def any_view(self, name: str, *field: str | int) -> FeatureView | OnDemandView:
        """Raises UnresolvedError."""
        view = self.views.get(name) or self.on_demand.get(name)
        if view is None:
            known = [*self.views, *self.on_demand]
            raise UnresolvedError(f"there is no feature view '{name}'.{did_you_mean(name, known)}", *field)
        return view

    def stands_on(self, names: Sequence[str]) -> list[FeatureView]:
        """The feature views among `names`, and those their on-demand views are computed from, once each."""
        wanted: dict[str, None] = {}
        for name in names:
            on_demand = self.on_demand.get(name)
            wanted.update(dict.fromkeys(on_demand.sources if on_demand else [name]))
        return [self.views[name] for name in wanted]


def qualified(name: str, schema: str) -> str:
    """`schema.table` for `t`, `schema.t` or `iceberg.schema.t`."""
    name = name.removeprefix(f"{CATALOG}.") if name.count(".") == 2 else name
    return name if "." in name else f"{schema}.{name}"


def resolve(model: Model, scope: Scope) -> ResolvedModel:
    """The model with its source, features, tables and roots.

    Raises:
        UnresolvedError
    """
    data = model.training_data
    source = scope.table(data.entity_df_source, "training_data", "entity_df_source")
    scope.need(source, data.label_column, "training_data", "label_column")
    scope.need_time(source, data.event_timestamp_column, "training_data", "event_timestamp_column")
    _check_label(model, scope.gold[source].columns.get(data.label_column))
    features = _features(model, scope, source)
    used = list(dict.fromkeys(ref.view for ref in features))
    views = scope.stands_on(used)
    keys = list(dict.fromkeys(key for view in views for key in view.join_keys))
    for key in keys:
        scope.need(source, key, "training_data", "entity_df_source")
    tables = sorted({source, *(view.table for view in views)})
    roots = sorted({root for table in tables for root in scope.roots[table]})
    return ResolvedModel(
        model=_with_policy(model, scope, sorted({*tables, *roots})),
        source=source,
        entity_columns=keys,
        features=features,
        views=[view.name for view in views],
        on_demand_views=[name for name in used if name in scope.on_demand],
        tables=tables,
        roots=roots,
    )


def _with_policy(model: Model, scope: Scope, tables: list[str]) -> Model:
    """The model, its policy naming tables as `schema.table`. Raises UnresolvedError."""
    if not model.retrain or not model.retrain.on:
        return model
    on = [scope.table(name, "retrain", "on", index) for index, name in enumerate(model.retrain.on)]
    for index, table in enumerate(on):
        if table not in tables:
            text = f"the model does not stand on '{table}', only on {', '.join(tables)}"
            raise UnresolvedError(text, "retrain", "on", index)
    return model.model_copy(update={"retrain": model.retrain.model_copy(update={"on": on})})


def _check_label(model: Model, kind: str | None) -> None:
    """What a label's declared type already rules out; the rest is known when its values are."""
    label = model.training_data.label_column
    if kind == "string" and model.model_type == "regression":
        raise UnresolvedError(
            f"label '{label}' is a string, and a regression needs numbers. "
            "Did you mean `model_type: classification`?",
            "model_type",
        )
    if kind == "timestamp" or (kind or "").startswith("array<"):
        raise UnresolvedError(
            f"label '{label}' is {kind}, which cannot be learnt", "training_data", "label_column"
        )
    wanted = {"bool": (bool,), "string": (str,), "int32": (int,), "int64": (int,)}.get(kind or "")
    if wanted and model.positive_label is not None and type(model.positive_label) not in wanted:
        given = model.positive_label
        raise UnresolvedError(f"label '{label}' is {kind}, and never {given!r}", "positive_label")


def _features(model: Model, scope: Scope, source: str) -> list[FeatureRef]:
    label = model.training_data.label_column
    told = ("feature_service", "feature_views", "features")
    field = next((name for name in told if getattr(model, name)), "training_data")
    found: dict[str, tuple[tuple[str, str], FeatureRef]] = {}
    for view, feature in _offered(model, scope, source):
        origin = (view.table if isinstance(view, FeatureView) else view.name, feature.column)
        if origin == (source, label):
            continue  # the label is never a feature, though a view may offer it
        if feature.name == label:
            raise UnresolvedError(f"'{view.name}' has a feature called '{label}', as the label is", field)
        if feature.name in found:
            other = found[feature.name]
            if other[0] == origin:
                continue  # one column reached by two views is one feature
            raise UnresolvedError(
                f"'{feature.name}' is one thing in '{other[1].view}' and another in '{view.name}': "
                "a model takes features by name, so rename one of them",
                field,
            )
        ref = FeatureRef(view=view.name, feature=feature.name, dtype=feature.dtype)
        if origin not in {known for known, _ in found.values()}:
            found[feature.name] = (origin, ref)
    if not found:
        raise UnresolvedError("no feature is left to learn from", field)
    return [ref for _, ref in found.values()]


def _offered(model: Model, scope: Scope, source: str) -> Iterator[tuple[FeatureView | OnDemandView, Feature]]:
    if model.feature_service:
        service = scope.services.get(model.feature_service)
        if service is None:
            hint = did_you_mean(model.feature_service, scope.services)
            raise UnresolvedError(
                f"there is no feature service '{model.feature_service}'.{hint}", "feature_service"
            )
        for part in service.views:
            view = scope.any_view(part.view, "feature_service")
            yield from ((view, feature) for feature in view.features if feature.name in part.features)
        return
    if model.features:
        for index, name in enumerate(model.features):
            yield _named(scope, name, "features", index)
        return
    if model.feature_views:
        chosen = [scope.any_view(name, "feature_views", i) for i, name in enumerate(model.feature_views)]
    else:
        chosen = list(_implied(scope, source))
    for view in chosen:
        yield from ((view, feature) for feature in view.features)


def _named(scope: Scope, name: str, *field: str | int) -> tuple[FeatureView | OnDemandView, Feature]:
    """Raises UnresolvedError."""
    view_name, _, feature_name = name.partition(":")
    view = scope.any_view(view_name, *field)
    for feature in view.features:
        if feature.name == feature_name:
            return view, feature
    known = [feature.name for feature in view.features]
    raise UnresolvedError(
        f"feature view '{view_name}' has no feature '{feature_name}'.{did_you_mean(feature_name, known)}",
        *field,
    )


def _implied(scope: Scope, source: str) -> list[FeatureView]:
    """Every view over the source; failing that, every view whose entities are all columns of it."""
    over = [view for view in scope.views.values() if view.table == source]
    columns = scope.columns(source)
    if not over and columns is not None:
        over = [
            view for view in scope.views.values() if view.join_keys and set(view.join_keys) <= set(columns)
        ]
    if not over:
        known = ", ".join(f"{view.name} (over {view.table})" for view in scope.views.values()) or "none"
        raise UnresolvedError(
            f"no feature view is over '{source}' or has only entities that it holds. "
            f"Name `feature_service` or `feature_views`. There are: {known}.",
            "training_data",
            "entity_df_source",
        )
    return over
