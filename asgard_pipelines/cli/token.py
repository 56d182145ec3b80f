"""`asgard token`: who may use the REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics, grid

if TYPE_CHECKING:
    from datetime import datetime

    from asgard_pipelines.state import Token

app = typer.Typer(help="Make, list and revoke tokens of the REST API.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who acts with it: it stands in the audit log.")],
    scope: Annotated[list[str], typer.Option("--scope", help="What it may do; again for each scope.")],
    days: Annotated[int, typer.Option("--days", help="How long it lasts.", min=1, max=3650)] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    from datetime import timedelta

    from asgard_pipelines.settings import Settings
    from asgard_pipelines.state import create_token, tokens

    settings = Settings.read()
    secret = create_token(settings, name, scope, timedelta(days=days))
    made = next(one for one in tokens(settings) if one.name == name)
    if as_json:
        answer({**_told(made), "token": secret})
        return
    typer.echo(secret)
    diagnostics().print(
        f"{name} may use it for {', '.join(made.scopes)} until {made.expires_at:%Y-%m-%d}. "
        "It is not shown again.",
        style="dim",
        markup=False,
    )


@app.command(name="list")
def list_tokens(as_json: AsJson = False) -> None:
    """List every token there ever was, and whether it is still good."""
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.state import tokens

    found = [_told(token) for token in tokens(Settings.read())]
    if as_json:
        answer({"tokens": found})
        return
    columns = ["name", "scopes", "state", "created_at", "expires_at"]
    console().print(grid(columns, ([one[name] for name in columns] for one in found), wraps="scopes"))


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")], as_json: AsJson = False) -> None:
    """Refuse a token from now on."""
    from asgard_pipelines.settings import Settings
    from asgard_pipelines.state import revoke_token

    revoke_token(Settings.read(), name)
    if as_json:
        answer({"revoked": name})
    else:
        console().print(f"[green]✓[/] '{name}' is refused from now on.")


def _told(token: Token) -> dict[str, str | list[str] | datetime]:
    from datetime import UTC, datetime

    state = "revoked" if token.revoked_at else "good" if token.valid(datetime.now(UTC)) else "expired"
    return {
        "name": token.name,
        "scopes": list(token.scopes),
        "state": state,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
