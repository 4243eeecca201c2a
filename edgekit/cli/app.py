"""The commands, registered with typer. `main` runs them."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from edgekit import __version__
from edgekit.cli import (
    adopt,
    bench,
    bundle,
    crops,
    data,
    doctor,
    evaluate,
    export,
    fit,
    inspect,
    models,
    pull,
    quantize,
    serve,
    train,
    verify,
)
from edgekit.cli.interruption import EXIT_INTERRUPTED
from edgekit.cli.predict import command as predict
from edgekit.cli.typer_options import typer_command
from edgekit.errors import SpecError, quote, unknown

COMMANDS = {  # in the order of --help
    "models": models,
    "pull": pull,
    "data": data,
    "train": train,
    "fit": fit,
    "export": export,
    "adopt": adopt,
    "quantize": quantize,
    "verify": verify,
    "bundle": bundle,
    "predict": predict,
    "serve": serve,
    "evaluate": evaluate,
    "crops": crops,
    "bench": bench,
    "inspect": inspect,
    "doctor": doctor,
}


def _without_types(params: list[Any]) -> list[Any]:
    """Make --help show metavars alone: typer would add the names of Python types, such as <str>."""
    for param in params:
        if isinstance(param, TyperArgument):
            param.display_type_rich = lambda ctx: ""  # type: ignore[method-assign]
        elif param.metavar is None:  # of --help and typer's other flags
            param.metavar = ""
    return params


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments in the usual notation: MODEL, or [IMAGE...] if it may be left out."""
        arguments = [param for param in self.params if isinstance(param, TyperArgument)]
        return ["[OPTIONS]", *(str(a.metavar) if a.required else f"[{a.metavar}]" for a in arguments)]


class _Commands(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Look up the command. Raises SpecError for an unknown one, naming the closest ones."""
        if self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            raise SpecError(unknown("command", args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Commands, pretty_exceptions_enable=False)
for _name, _module in COMMANDS.items():
    app.command(_name, cls=_Command, epilog=_module.EXAMPLES)(typer_command(_module.run))


def run() -> None:
    """Run the command line; without a command, print --help.

    Raises:
        SpecError: the command line cannot be parsed.
        KeyboardInterrupt: the command was interrupted.
    """
    try:
        code = app(None if len(sys.argv) > 1 else ["--help"], prog_name="edgekit", standalone_mode=False)
    except typer.TyperException as error:
        raise SpecError(_usage_message(error)) from None
    if code == EXIT_INTERRUPTED:  # how typer ends a command that was interrupted
        raise KeyboardInterrupt
    sys.exit(code)


def _usage_message(error: Any) -> str:
    """Return one line for an error of typer, whose classes are private and so known by their names."""
    kind, context = type(error).__name__, getattr(error, "ctx", None)
    hint = f"; run `{context.command_path} --help`" if context is not None else ""
    if kind == "NoSuchOption":
        close = f"; did you mean {' or '.join(error.possibilities)}?" if error.possibilities else hint
        return f"unknown option {quote(error.option_name)}{close}"
    if kind == "MissingParameter":
        param = error.param
        return f"{param.metavar if isinstance(param, TyperArgument) else param.opts[0]} is required{hint}"
    if kind == "BadValue":
        return str(error.format_message())
    message = error.format_message().rstrip(".")
    return f"{message[:1].lower()}{message[1:]}{hint}"


def _print_version(value: bool) -> None:
    if value:
        print(f"edgekit {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train, export, quantize and run image classifiers, each as one self-contained ONNX file."""
