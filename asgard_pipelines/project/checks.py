"""What must hold between declarations, each check giving the problems it finds."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from asgard_pipelines.declarations import (
    Entity,
    FeatureView,
    GoldTable,
    Model,
    Prediction,
    ResolvedModel,
    fits,
)
from asgard_pipelines.errors import Invalid, Problem, did_you_mean
from asgard_pipelines.features import RepoContents
from asgard_pipelines.project.documents import Document
from asgard_pipelines.project.gold_files import known_columns
from asgard_pipelines.project.resolve import Scope, UnresolvedError

VERSION = re.compile(r"_\d{8}_\d{6}(_\d+)?$")
"""What a model's id has after its name."""
UNREADABLE = ""
"""Among the models that are declared wrongly: one whose name nobody could read."""


def check_gold(gold: dict[str, GoldTable]) -> Iterator[Problem]:
    """Tables read exist, none is made from itself, and partitions have a watermark to end at."""
    for table in gold.values():
        for read in table.reads:
            if read not in gold:
                hint = did_you_mean(read, gold)
                text = f"the SELECT reads '{read}', which is neither declared nor in the catalog.{hint}"
                yield Problem(table.where.file, table.where.line, "sql", text)
    in_cycle: set[str] = set()
    for name, table in gold.items():
        cycle = _cycle(name, gold)
        if cycle and name not in in_cycle:
            in_cycle.update(cycle)
            text = f"the table is made from itself: {' ← '.join([*cycle, cycle[0]])}"
            yield Problem(table.where.file, table.where.line, "sql", text)
    for name, table in gold.items():
        if table.partition and table.sql and name not in in_cycle and not _has_watermark(name, gold):
            text = "nothing it reads has a `watermark`, so nobody knows which partitions are complete"
            yield Problem(table.where.file, table.where.line, "partition", text)


def _cycle(start: str, gold: dict[str, GoldTable]) -> list[str]:
    """A way from `start` back to it; empty when there is none."""
    ways, seen = [[start]], set()
    while ways:
        way = ways.pop()
        for read in gold[way[-1]].reads:
            if read == start:
                return way
            if read in gold and read not in seen:
                seen.add(read)
                ways.append([*way, read])
    return []


def _has_watermark(name: str, gold: dict[str, GoldTable]) -> bool:
    table = gold[name]
    return table.watermark is not None or any(_has_watermark(r, gold) for r in table.reads if r in gold)


def check_views(contents: RepoContents, gold: dict[str, GoldTable]) -> Iterator[Problem]:
    """Each view's table exists and has its keys, its times and its features, in types that fit."""
    entities = {entity.join_key: entity for entity in contents.entities}
    for view in contents.views:
        table = gold.get(view.table)
        if table is None:
            hint = did_you_mean(view.table, gold)
            text = f"table '{view.table}' is neither declared nor in the catalog.{hint}"
            yield Problem(view.where.file, view.where.line, "source", text)
            continue
        found = [*_against_table(view, table), *_keys_against_table(view, table, entities)]
        for field, message in found:
            yield Problem(view.where.file, view.where.line, field, message)


def _against_table(view: FeatureView, table: GoldTable) -> Iterator[tuple[str, str]]:
    known = known_columns(table)
    wanted = [("entities", column) for column in view.join_keys.values()]
    wanted.append(("source", view.timestamp))
    wanted += [("source", view.created_timestamp)] if view.created_timestamp else []
    wanted += [(f"schema.{feature.name}", feature.column) for feature in view.features]
    for field, column in wanted:
        if known is not None and column not in known:
            hint = did_you_mean(column, known)
            yield field, f"Column '{column}' not found in '{view.table}'.{hint} Known: {', '.join(known)}."
    for column in filter(None, (view.timestamp, view.created_timestamp)):
        kind = table.columns.get(column, "timestamp")
        if kind != "timestamp":
            yield "source", f"column '{column}' of '{view.table}' is {kind}, which is no timestamp"
    for feature in view.features:
        found = table.columns.get(feature.column, feature.dtype)
        if not fits(found, feature.dtype):
            text = f"column '{feature.column}' of '{view.table}' is {found}, which is no {feature.dtype}"
            yield f"schema.{feature.name}", text


def _keys_against_table(
    view: FeatureView, table: GoldTable, entities: dict[str, Entity]
) -> Iterator[tuple[str, str]]:
    for key, column in view.join_keys.items():
        declared = entities[key].dtype
        found = table.columns.get(column, declared)
        if not fits(found, declared):
            name = entities[key].name
            yield (
                "entities",
                f"the entity '{name}' is {declared}, and column '{column}' of '{view.table}' {found}",
            )


def check_hyperparameters(document: Document, model: Model) -> Iterator[Problem]:
    """Every candidate's hyperparameters are ones its estimator takes."""
    from asgard_pipelines.training import check_hyperparameters as check  # scikit-learn: seconds, only here

    try:
        check(model)
    except Invalid as error:
        for problem in error.details["problems"]:
            path: list[str | int] = list(problem["field"].split("."))
            if path[0] == "candidates":  # named there, numbered in the file
                path[1] = [candidate.name for candidate in model.candidates].index(str(path[1]))
            yield document.problem(problem["message"], *path)


def check_prediction(
    document: Document,
    prediction: Prediction,
    models: Sequence[ResolvedModel],
    unsettled: Collection[str],
    scope: Scope,
) -> Iterator[Problem]:
    """The model and the tables exist, and the views supply what the model was trained on.

    `unsettled` are models that are declared, but wrongly: told already, and no error of the prediction.
    """
    try:
        source = scope.table(prediction.input_table, "input_table")
        scope.need_time(source, prediction.event_timestamp_column, "event_timestamp_column")
        for index, column in enumerate(prediction.entity_columns):
            scope.need(source, column, "entity_columns", index)
        views = [scope.any_view(name, "feature_views", i) for i, name in enumerate(prediction.feature_views)]
    except UnresolvedError as error:
        yield document.problem(str(error), *error.field)
        return
    if prediction.table in scope.gold:
        yield document.problem(f"'{prediction.table}' is declared as a gold table", "output_table")
    for view in scope.stands_on(prediction.feature_views):
        missing = sorted(set(view.join_keys) - set(prediction.entity_columns))
        if missing:
            text = f"'{view.name}' is looked up by {', '.join(missing)}: name it here"
            yield document.problem(text, "entity_columns")
    name = VERSION.sub("", prediction.model_name)
    model = next((m for m in models if m.model.name == name), None)
    if model is None and (name in unsettled or UNREADABLE in unsettled):
        return
    if model is None:
        known = [m.model.name for m in models]
        yield document.problem(f"there is no model '{name}'.{did_you_mean(name, known)}", "model_id")
        return
    supplied = {feature.name for view in views for feature in view.features}
    absent = [ref for ref in model.features if ref.feature not in supplied]
    if absent:
        names = ", ".join(f"{ref.feature} ({ref.view})" for ref in absent)
        yield document.problem(
            f"'{name}' is trained on features that these views do not supply: {names}", "feature_views"
        )
