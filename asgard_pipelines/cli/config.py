"""`asgard config`: every setting, where it came from, and every address that follows from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from asgard_pipelines.cli.console import AsJson, answer, console, grid

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from asgard_pipelines.settings import Settings

_HIDDEN = "•••"


def config(as_json: AsJson = False) -> None:
    """Show every setting with where it came from, and every address."""
    from asgard_pipelines.settings import CATALOG, Settings

    settings = Settings.read()
    chosen = {name: setting(settings, name, os.environ) for name in Settings.model_fields}
    catalog = {key: masked(value) for key, value in settings.catalog_properties.items()}
    addresses = _addresses(settings)
    if as_json:
        answer({"catalog_name": CATALOG, "catalog": catalog, **addresses, "settings": chosen})
        return
    out = console()
    rows = [(row["variable"], _value(row["value"]), _source(row)) for row in chosen.values()]
    out.print(grid(["setting", "value", "from"], rows, wraps="value"))
    for row in chosen.values():
        for loser in row["ignored"]:
            out.print(f"  {row['source']} wins over {loser}, which is set too.", style="yellow")
    out.print(grid(["address", ""], addresses.items(), wraps=""))
    out.print(grid([f"catalog {CATALOG!r}", ""], catalog.items()))


def variables(name: str, field: FieldInfo) -> list[str]:
    """The environment variables that set a field, the winning one first."""
    from pydantic import AliasChoices

    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [f"ASGARD_{name.upper()}"]


def setting(settings: Settings, name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """One field: its value, the variable that gave it, and the variables that lost."""
    field = type(settings).model_fields[name]
    names = variables(name, field)
    present = [variable for variable in names if variable in environment]
    value = getattr(settings, name)
    return {
        "variable": names[0],
        "also": names[1:],
        "value": _without_secrets(value),
        "source": present[0] if present else "default",
        "ignored": present[1:],
        "description": field.description,
    }


def _without_secrets(value: Any) -> Any:
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    return masked(value) if isinstance(value, str) else value


def masked(value: str) -> str:
    """An address without its password."""
    from urllib.parse import urlsplit

    if "://" not in value:
        return value
    parts = urlsplit(value)
    if parts.password is None:
        return value
    user_info, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user_info.partition(':')[0]}:{_HIDDEN}@{place}").geturl()


def _addresses(settings: Settings) -> dict[str, str]:
    from asgard_pipelines.cli.ports import HOST, serves_mlflow

    mlflow = f"http://{HOST}:{settings.mlflow_port}" if serves_mlflow(settings) else settings.tracking_uri
    return {
        "repo": str(settings.repo),
        "project": str(settings.project),
        "home": str(settings.state_folder),
        "feast_registry": masked(settings.registry_database),
        "online_store": masked(settings.online_store_url),
        "state_database": masked(settings.state_database),
        "mlflow_tracking_uri": masked(settings.tracking_uri),
        "artefacts": settings.artefact_root,
        "dagster_home": str(settings.dagster_home),
        "dagster_ui": f"http://{HOST}:{settings.dagster_port}",
        "mlflow_ui": masked(mlflow),
    }


def _value(value: Any) -> str | None:
    return None if value is None else str(value)


def _source(row: Mapping[str, Any]) -> Text:
    return Text(row["source"], style="dim" if row["source"] == "default" else "cyan")
