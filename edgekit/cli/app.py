"""`edgekit`: the commands, and what every error becomes."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer

from edgekit import __version__
from edgekit.cli import export, inspect, models, predict, quantize, train
from edgekit.cli.render import say
from edgekit.errors import ArtifactError, EdgekitError, ParityError, QualityGateError, SpecError, WeightsError

_EXIT_RUNTIME, _EXIT_USAGE, _EXIT_MODEL, _EXIT_EXPORT, _EXIT_QUALITY, _EXIT_INTERRUPTED = 1, 2, 4, 5, 6, 130
_EXIT_CODES: dict[type[EdgekitError], int] = {
    SpecError: _EXIT_USAGE,
    ArtifactError: _EXIT_MODEL,
    WeightsError: _EXIT_MODEL,
    ParityError: _EXIT_EXPORT,
    QualityGateError: _EXIT_QUALITY,
}

app = typer.Typer(
    help="Image classifiers as one self-contained ONNX file: train, export, quantize, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (models, train, export, quantize, predict, inspect):
    app.command(name=command.__name__.rpartition(".")[2], epilog=command.EXAMPLES)(command.run)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"edgekit {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Image classifiers as one self-contained ONNX file: train, export, quantize, predict."""


def main() -> Any:
    """Run the command line; every error that edgekit raises becomes one line on stderr and an exit code."""
    warnings.simplefilter("ignore")  # a picture library's warnings are not for the user of a command
    try:
        app()
    except EdgekitError as error:
        say(f"error: {error}")
        sys.exit(next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), _EXIT_RUNTIME))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(_EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_EXIT_RUNTIME)
