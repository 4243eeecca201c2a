"""The commands, registered with typer. `main` runs them."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit import __version__
from edgekit.cli import adopt, bench, crops, doctor, evaluate, export, inspect, models, quantize, train, verify
from edgekit.cli.predict import command as predict
from edgekit.cli.typer_options import typer_command

_COMMANDS = {  # in the order of --help
    "models": models,
    "train": train,
    "export": export,
    "adopt": adopt,
    "quantize": quantize,
    "verify": verify,
    "predict": predict,
    "evaluate": evaluate,
    "crops": crops,
    "bench": bench,
    "inspect": inspect,
    "doctor": doctor,
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for name, module in _COMMANDS.items():
    app.command(name, epilog=module.EXAMPLES)(typer_command(module.run))


def _print_version(value: bool) -> None:
    if value:
        print(f"edgekit {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Image classifiers as one self-contained ONNX file: train, export, quantize, predict."""
