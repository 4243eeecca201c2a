"""The commands, as typer has them. `main` runs them."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit import __version__
from edgekit.cli import adopt, bench, crops, doctor, evaluate, export, inspect, models, quantize, train, verify
from edgekit.cli.predict import command as predict

app = typer.Typer(
    help="Image classifiers as one self-contained ONNX file: train, export, quantize, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (models, train, export, adopt, quantize, verify, predict, evaluate, crops, bench, inspect, doctor):
    app.command(name=command.__name__.removeprefix(f"{__package__}.").partition(".")[0], epilog=command.EXAMPLES)(
        command.run
    )


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
