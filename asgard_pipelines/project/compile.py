"""Compiling: everything declared is read and checked together, and every problem is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from asgard_pipelines.declarations import (
    Declarations,
    GoldTable,
    Model,
    Prediction,
    ResolvedModel,
    platform_table,
)
from asgard_pipelines.errors import InvalidDeclarations, Problem
from asgard_pipelines.features import RepoContents, read_repo
from asgard_pipelines.project.checks import (
    UNREADABLE,
    check_gold,
    check_hyperparameters,
    check_prediction,
    check_views,
)
from asgard_pipelines.project.deprecations import with_deprecations
from asgard_pipelines.project.documents import Document, declare, read_document, read_text
from asgard_pipelines.project.gold_files import implicit, read_gold, stand_in
from asgard_pipelines.project.made_contents import made_documents, with_made
from asgard_pipelines.project.resolve import Scope, UnresolvedError, qualified, resolve
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Made, made

D = TypeVar("D")


def compile_repo(settings: Settings, over_rest: Sequence[Made] | None = None) -> Declarations:
    """All declarations: the repo's, and those made over REST. Imports Feast, seconds: others call `load`.

    `over_rest` is compiled in the place of what stands, to see whether it could.

    A table that is read, or that a view, a model or a prediction stands on, without being declared is taken
    as external when the catalog has it.

    Raises:
        InvalidDeclarations: everything that is wrong, with file, line and field.
        InvalidSettings: the repo is not there.
    """
    problems: list[Problem] = []
    contents = _repo_contents(settings, problems)
    over_rest = made(settings) if over_rest is None else over_rest
    if contents is not None:
        contents = with_made(contents, over_rest, problems)
    gold = _gold(settings, problems)
    before = len(problems)
    models = _documents(settings.repo, "models", problems) + made_documents(over_rest, "model")
    unsettled = {UNREADABLE} if len(problems) > before else set()
    predictions = _documents(settings.repo, "predictions", problems) + made_documents(over_rest, "prediction")
    declared_models = _declared(models, problems, lambda d: declare(Model, d))
    declared_predictions = _declared(predictions, problems, _prediction)
    if contents is None:
        raise InvalidDeclarations(problems)
    sources = _sources(settings, declared_models, declared_predictions)
    gold |= _about_asgard(settings, {*_undeclared(gold, contents), *sources} - gold.keys())
    gold |= _found_in_catalog(settings, gold, {*_undeclared(gold, contents), *sources} - gold.keys())
    problems += check_gold(gold)
    problems += check_views(contents, gold)

    scope = _scope(settings, gold | _stand_ins(gold, contents), contents)
    resolved = _resolved(declared_models, scope, problems)
    settled = {one.model.name for one in resolved}
    unsettled |= {str(document.data.get("name")) for document in models} - settled
    if len(declared_models) < len(models):
        unsettled.add(UNREADABLE)
    for document, prediction in declared_predictions:
        problems += check_prediction(document, prediction, resolved, unsettled, scope)
    if problems:
        raise InvalidDeclarations(problems)
    declared = Declarations(
        project=contents.project,
        gold=[gold[table] for table in sorted(gold)],
        entities=contents.entities,
        views=contents.views,
        on_demand_views=contents.on_demand_views,
        services=contents.services,
        models=sorted(resolved, key=lambda r: r.model.name),
        predictions=sorted((_settled(p, scope) for _, p in declared_predictions), key=lambda p: p.name),
    )
    return with_deprecations(declared, over_rest)


def _settled(prediction: Prediction, scope: Scope) -> Prediction:
    """The prediction with its input's full name: a bare name or a view's means nothing to other rooms."""
    table = scope.table(prediction.input_table, "input_table")
    return prediction.model_copy(update={"input_table": table})


def _repo_contents(settings: Settings, problems: list[Problem]) -> RepoContents | None:
    try:
        return read_repo(settings)
    except InvalidDeclarations as error:
        problems += error.problems
        return None


def _gold(settings: Settings, problems: list[Problem]) -> dict[str, GoldTable]:
    tables: dict[str, GoldTable] = {}
    for path in _files(settings.repo, "gold", problems, ".sql", ".yaml", ".yml"):
        file = path.relative_to(settings.repo).as_posix()
        try:
            table = read_gold(path, file, settings.gold_schema)
        except InvalidDeclarations as error:
            problems += error.problems
            if any(problem.field == "name" for problem in error.problems):
                continue  # there is nothing that could be called so
            table = stand_in(f"{settings.gold_schema}.{path.stem}")
        called = {other.lower(): other for other in tables}.get(table.table.lower())
        if called and called != table.table:
            text = f"{tables[called].where.file} declares '{tables[called].name}': SQL tells them not apart"
            problems.append(Problem(file, 1, "name", text))
        if table.table in tables:
            problems.append(
                Problem(file, 1, "", f"{tables[table.table].where.file} declares '{table.name}' too")
            )
        tables[table.table] = table
    return tables


def _documents(repo: Path, folder: str, problems: list[Problem]) -> list[Document]:
    documents = []
    for path in _files(repo, folder, problems, ".yaml", ".yml"):
        try:
            documents.append(
                read_document(
                    read_text(path, path.relative_to(repo).as_posix()), path.relative_to(repo).as_posix()
                )
            )
        except InvalidDeclarations as error:
            problems += error.problems
    return documents


def _files(repo: Path, folder: str, problems: list[Problem], *suffixes: str) -> list[Path]:
    """The folder's files; one with another ending is more likely a slip than meant to be ignored."""
    files = []
    for path in sorted((repo / folder).rglob("*")):
        if path.is_dir() or path.name.startswith(".") or path.suffix == ".md":
            continue
        if path.suffix in suffixes:
            files.append(path)
        else:
            file = path.relative_to(repo).as_posix()
            problems.append(Problem(file, 1, "", f"files here end in {', '.join(suffixes)}"))
    return files


def _declared(
    documents: Iterable[Document], problems: list[Problem], read: Callable[[Document], D]
) -> list[tuple[Document, D]]:
    done: dict[str, tuple[Document, D]] = {}
    for document in documents:
        try:
            declared = read(document)
        except InvalidDeclarations as error:
            problems += error.problems
            continue
        name = str(getattr(declared, "name"))  # noqa: B009  # every declaration has one
        if name in done:
            field = "name" if "name" in document.data else "output_table"
            problems.append(document.problem(f"{done[name][0].file} declares '{name}' too", field))
        done[name] = (document, declared)
    return list(done.values())


def _prediction(document: Document) -> Prediction:
    """A prediction's name is its output table's: the REST body has no other."""
    if "name" in document.data:
        raise InvalidDeclarations([document.problem("a prediction is called as its `output_table`", "name")])
    named = (
        {"name": document.data["output_table"]} if "output_table" in document.data else {"name": "unnamed"}
    )
    return declare(Prediction, document, **named)


def _sources(
    settings: Settings,
    models: list[tuple[Document, Model]],
    predictions: list[tuple[Document, Prediction]],
) -> set[str]:
    """What models learn from and predictions score, as tables' names; what predictions write is no table."""
    named = {model.training_data.entity_df_source for _, model in models}
    named |= {prediction.input_table for _, prediction in predictions}
    return {qualified(name, settings.gold_schema) for name in named} - {one.table for _, one in predictions}


def _found_in_catalog(
    settings: Settings, gold: dict[str, GoldTable], missing: set[str]
) -> dict[str, GoldTable]:
    if not missing:
        return {}
    from asgard_pipelines.lakehouse import Lakehouse  # opening a catalog costs a second

    lakehouse = Lakehouse(settings)
    return {table: implicit(table) for table in sorted(missing) if lakehouse.exists(table)}


def _about_asgard(settings: Settings, missing: set[str]) -> dict[str, GoldTable]:
    """Of tables that nobody declared, those that Asgard fills about itself."""
    schema = settings.gold_schema
    found = {table: platform_table(table.removeprefix(f"{schema}."), schema) for table in missing}
    return {table: declared for table, declared in sorted(found.items()) if declared is not None}


def _stand_ins(gold: dict[str, GoldTable], contents: RepoContents) -> dict[str, GoldTable]:
    """For tables that were told as missing, so that whatever stands on them can still be checked."""
    return {table: stand_in(table) for table in _undeclared(gold, contents)}


def _undeclared(gold: dict[str, GoldTable], contents: RepoContents) -> list[str]:
    named = {read for table in gold.values() for read in table.reads}
    named |= {view.table for view in contents.views}
    return sorted(table for table in named - gold.keys() if table.count(".") == 1)


def _scope(settings: Settings, gold: dict[str, GoldTable], contents: RepoContents) -> Scope:
    return Scope(
        schema=settings.gold_schema,
        gold=gold,
        entities={entity.name: entity for entity in contents.entities},
        views={view.name: view for view in contents.views},
        on_demand={view.name: view for view in contents.on_demand_views},
        services={service.name: service for service in contents.services},
    )


def _resolved(
    declared: list[tuple[Document, Model]], scope: Scope, problems: list[Problem]
) -> list[ResolvedModel]:
    resolved = []
    for document, model in declared:
        try:
            resolved.append(resolve(model, scope))
        except UnresolvedError as error:
            problems.append(document.problem(str(error), *error.field))
        problems += check_hyperparameters(document, model)
    return resolved
