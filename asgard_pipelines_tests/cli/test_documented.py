"""Every command, option, setting and variable stands in the reference, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer

from asgard_pipelines.cli.command import app
from asgard_pipelines.cli.config import variables
from asgard_pipelines.settings import Settings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMMANDS = (REFERENCE / "commands.md").read_text()
SETTINGS = (REFERENCE / "settings.md").read_text()


def _commands(command: click.Command, path: str) -> dict[str, click.Command]:
    # A group that does nothing by itself is no command.
    found = {path: command} if getattr(command, "invoke_without_command", path != "asgard") else {}
    for name, inner in getattr(command, "commands", {}).items():
        found |= _commands(inner, f"{path} {name}")
    return found


ALL = _commands(typer.main.get_command(app), "asgard")


def _section(command: str) -> str:
    """The text under the heading of `command`; its arguments may follow the name."""
    found = re.search(rf"^### {command}(?: [A-Z_ ]+)?\n(.*?)(?=^##|\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/commands.md has no section '### {command}'"
    return found[1]


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_command_is_documented_with_each_of_its_options(name: str) -> None:
    section = _section(name)
    for parameter in ALL[name].params:
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            assert f"`{parameter.opts[0]}`" in section, f"{name} {parameter.opts[0]}"


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_command_that_prints_takes_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[name].params)


def test_no_section_is_about_a_command_that_is_not_there() -> None:
    headings = re.findall(r"^### (asgard[a-z ]*[a-z])", COMMANDS, re.MULTILINE)
    assert sorted(headings) == sorted(ALL)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_documented_with_each_of_its_variables(name: str) -> None:
    field = Settings.model_fields[name]
    own, *others = variables(name, field)
    [row] = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{own}`")]
    for other in others:
        assert f"`{other}`" in row
    assert field.description
    assert field.description in row


def test_no_variable_is_documented_that_is_not_read() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)`", SETTINGS, re.MULTILINE)
    assert sorted(rows) == sorted(variables(n, f)[0] for n, f in Settings.model_fields.items())
