"""Declared options and arguments as typer's: the only place that translates one into the other."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from edgekit.cli.options import Argument, Option, is_repeated


def with_options_of(fields: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the command has an option for each field of a class in place of its **keywords."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in inspect.signature(fields).parameters.values()]
        command.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return command

    return decorate


def typer_command(command: Callable[..., None]) -> Callable[..., None]:
    """The command with a signature that typer understands; values that typer collects in lists reach it as tuples."""
    parameters = inspect.signature(command, eval_str=True).parameters
    repeated = {name for name, parameter in parameters.items() if is_repeated(get_args(parameter.annotation)[0])}

    def run(**values: Any) -> None:
        command(**{name: tuple(value or ()) if name in repeated else value for name, value in values.items()})

    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature(list(map(_typer_parameter, parameters.values())))  # type: ignore[attr-defined]
    return run


def _typer_parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    value_type: Any
    value_type, declaration = get_args(parameter.annotation)
    default = parameter.default
    if is_repeated(value_type):
        value_type = list[get_args(value_type)[0]]  # type: ignore[misc]
        if default is not inspect.Parameter.empty:
            value_type, default = value_type | None, None
    annotation = Annotated[value_type, _typer_declaration(parameter.name, declaration)]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _typer_declaration(name: str, declaration: Option | Argument) -> Any:
    show_default = declaration.default_text or True
    if isinstance(declaration, Argument):
        return typer.Argument(help=declaration.help, metavar=declaration.metavar, show_default=show_default)
    return typer.Option(
        *declaration.flags_of(name),
        help=declaration.help,
        min=declaration.least,
        max=declaration.most,
        show_default=show_default,
        rich_help_panel=declaration.panel,
    )
