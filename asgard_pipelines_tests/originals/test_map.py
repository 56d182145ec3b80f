"""`docs/originals.md` has every item of the five documents, and whatever it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from asgard_pipelines_tests.api.conftest import app, house_settings
from asgard_pipelines_tests.api.routes import routes
from asgard_pipelines_tests.originals.items import DOCUMENTS, Item, items, text

__all__ = ["app", "house_settings"]
TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "originals.md").read_text()
_ROW = re.compile(r"^\| (heading|route|field|variable|error|status|program|plan): (.*) \| (.*) \|$")


def mapped(document: str) -> dict[Item, str]:
    """Item -> what shows it."""
    section = PAGE.split(f"\n## {document}: ", 1)[1].split("\n## ", 1)[0]
    rows = [_ROW.match(line) for line in section.splitlines() if line.startswith("| ")][1:]
    assert all(rows), f"a row of {document} is no row"
    return {Item(document, row[1], row[2]): row[3] for row in rows if row}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_item_of_a_document_is_in_the_map_and_nothing_else(document: str) -> None:
    assert sorted(map(str, mapped(document))) == sorted(map(str, items(document)))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_shows_an_item_is_a_test_that_is_there_or_a_reason(document: str) -> None:
    for item, shown in mapped(document).items():
        test = re.fullmatch(r"`(\w+/[\w/]+\.py)::(test_\w+)`", shown)
        if test:
            assert re.search(rf"^def {test[2]}\(", (TESTS / test[1]).read_text(), re.MULTILINE), (item, shown)
        elif shown.startswith("refused: "):
            assert re.fullmatch(r"refused: .{10,} Instead: .{5,}", shown), (item, shown)
        else:
            assert re.fullmatch(r"open: .{5,}", shown), (item, shown)


@pytest.mark.parametrize("document", ["000", "001", "002", "003"])
def test_routes_and_fields_of_the_first_four_documents_are_shown_by_tests(document: str) -> None:
    for item, shown in mapped(document).items():
        if item.kind in ("route", "field"):
            assert shown.startswith("`"), item


def test_every_route_of_the_first_four_documents_is_served(app: FastAPI) -> None:
    """003's use cases leave the prefix to their `client`."""
    served = {str(route) for route in routes(app)}
    documents = ("000", "001", "002", "003")
    asked = {item.name for one in documents for item in items(one) if item.kind == "route"}
    asked = {name.replace(" /features/", " /api/v1/features/") for name in asked}
    assert asked <= served
    assert len(asked) >= 25


def test_the_documents_hold_no_address_of_a_registry_and_no_secret() -> None:
    for document in DOCUMENTS:
        assert not re.search(r"amazonaws\.com/|SECRET_ACCESS_KEY=\w|\bpassword\s*[:=]\s*\w", text(document))
