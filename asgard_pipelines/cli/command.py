"""The command and its errors: one clear message, one exit code.

0 done · 1 something failed · 2 what was asked for cannot be done as asked · 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click
import typer

from asgard_pipelines import __version__
from asgard_pipelines.cli import (
    apply,
    backfill,
    build,
    config,
    demo,
    diff,
    doctor,
    down,
    feature_services,
    features,
    flush,
    init,
    jobs,
    land,
    materialize,
    models,
    plan,
    predict,
    reproduce,
    sql,
    status,
    token,
    train,
    up,
    views,
)
from asgard_pipelines.cli.console import AsJson, answer, console, diagnostics, only_answers_on_stdout
from asgard_pipelines.errors import AsgardError

app = typer.Typer(
    help="Gold tables in Iceberg to features, models and predictions that keep up with the data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_START = "Start here"
_DECLARE = "Declare and build"
_LOOK = "Look"

_COMMANDS: list[tuple[str, str, Callable[..., Any]]] = [
    (_START, "init", init.init),
    (_START, "up", up.up),
    (_START, "down", down.down),
    (_START, "doctor", doctor.doctor),
    (_DECLARE, "apply", apply.apply),
    (_DECLARE, "land", land.land),
    (_DECLARE, "plan", plan.plan),
    (_DECLARE, "build", build.build),
    (_DECLARE, "train", train.train),
    (_DECLARE, "predict", predict.predict),
    (_DECLARE, "materialize", materialize.materialize),
    (_DECLARE, "backfill", backfill.backfill),
    (_DECLARE, "flush", flush.flush),
    (_LOOK, "status", status.status),
    (_LOOK, "reproduce", reproduce.reproduce),
    (_LOOK, "diff", diff.diff),
    (_LOOK, "sql", sql.sql),
    (_LOOK, "config", config.config),
]
app.add_typer(demo.app, name="demo", rich_help_panel=_START)
app.add_typer(token.app, name="token", rich_help_panel=_START)
app.add_typer(features.app, name="features", rich_help_panel=_START)
app.add_typer(views.app, name="views", rich_help_panel=_DECLARE)
app.add_typer(feature_services.app, name="services", rich_help_panel=_DECLARE)
app.add_typer(models.app, name="models", rich_help_panel=_DECLARE)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_LOOK)
for _panel, _name, _function in _COMMANDS:
    app.command(_name, rich_help_panel=_panel)(_function)


@app.command(rich_help_panel=_LOOK)
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        answer({"version": __version__})
    else:
        console().print(__version__)


def run(arguments: Sequence[str]) -> int:
    """Runs one command; the exit code."""
    _quiet_vendors()
    as_json = "--json" in arguments
    with only_answers_on_stdout() if as_json else contextlib.nullcontext():
        try:
            result = app(list(arguments), prog_name="asgard", standalone_mode=False)
        except AsgardError as error:
            _say(as_json, error.code, error.message, dict(error.details))
            return 2 if 400 <= error.status < 500 else 1
        except click.UsageError as error:
            _say_usage(as_json, error)
            return 2
        except click.Abort:
            diagnostics().print("Stopped.", style="yellow")
            return 130
        except Exception as error:
            traceback.print_exc()
            _say(as_json, "INTERNAL_ERROR", f"{type(error).__name__}: {error}", {})
            return 1
    return result if isinstance(result, int) else 0


def main() -> None:
    if not sys.warnoptions:  # libraries' warnings to one another mean nothing to a person
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").propagate = False
        logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    sys.exit(run(sys.argv[1:]))


def _quiet_vendors() -> None:
    """Nothing reports to anybody, for this process and all it starts."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("FEAST_USAGE", "False")


def _say(as_json: bool, code: str, message: str, details: dict[str, Any]) -> None:
    if as_json:
        answer({"error": {"code": code, "message": message, "details": details}})
    else:
        diagnostics().print(f"✗ {message}", style="red", markup=False, soft_wrap=True)


def _say_usage(as_json: bool, error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    if as_json:
        _say(True, "VALIDATION_ERROR", error.format_message(), {})
        return
    _say(False, "", error.format_message(), {})
    if error.ctx is not None:
        diagnostics().print(f"  {error.ctx.command_path} --help says what it takes.", style="dim")
