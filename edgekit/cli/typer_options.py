"""Declared options and arguments as typer's: the only place that translates one into the other."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import DEFAULT_MARKUP_MODE

from edgekit.cli.interruption import interrupts_acknowledged, this_command
from edgekit.cli.options import Argument, Option, is_repeated
from edgekit.cli.outputs import changed_outputs, check_outputs, output_stamps
from edgekit.errors import listed, quote

_METAVARS = {int: "N", float: "NUMBER", Path: "FILE", bool: ""}


class BadValue(typer.BadParameter):
    """A value that an option does not accept. The message is complete: it has the flag, the rule and the value."""

    def format_message(self) -> str:
        """The message as it is."""
        return self.message


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
    declarations = {name: get_args(parameter.annotation)[1] for name, parameter in parameters.items()}

    def run(**values: Any) -> None:
        values = {name: tuple(value or ()) if name in repeated else value for name, value in values.items()}
        check_outputs(declarations, values)
        stamps = output_stamps(declarations, values)
        with interrupts_acknowledged(lambda: f"{_written(changed_outputs(stamps))}; to start again: {this_command()}"):
            command(**values)

    paragraphs = (command.__doc__ or "").split("\n\n")
    run.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    run.__signature__ = inspect.Signature(list(map(_typer_parameter, parameters.values())))  # type: ignore[attr-defined]
    return run


def _written(paths: list[str]) -> str:
    return f"wrote {listed(paths)}" if paths else "nothing was written"


def _typer_parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    declared_type: Any
    declared_type, declaration = get_args(parameter.annotation)
    default, item_type = parameter.default, _item_type(declared_type)
    value_type: Any = declared_type
    help = _help(declaration, default, is_flag=item_type is bool)
    if is_repeated(declared_type):
        value_type = list[item_type]  # type: ignore[valid-type]
        if default is not inspect.Parameter.empty:
            value_type, default = value_type | None, None
    annotation = Annotated[value_type, _typer_declaration(parameter.name, declaration, item_type, help=help)]
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(declaration: Option | Argument, default: Any, *, is_flag: bool) -> str:
    """The help text and the default, if there is one. typer would show none for flags, and (...) around texts."""
    if default is inspect.Parameter.empty:
        return declaration.help
    value = ("on" if default else "off") if is_flag else f"{default:g}" if isinstance(default, float) else str(default)
    text = f"default: {declaration.default_text or value}"
    return f"{declaration.help} " + (f"[dim]\\[{text}][/dim]" if DEFAULT_MARKUP_MODE else f"[{text}]")


def _item_type(declared_type: Any) -> Any:
    """T of `T | None` and of `tuple[T, ...]`, and of T itself."""
    is_wrapped = get_origin(declared_type) in (Union, UnionType, tuple)
    return get_args(declared_type)[0] if is_wrapped else declared_type


def _typer_declaration(name: str, declaration: Option | Argument, item_type: Any, *, help: str) -> Any:
    if isinstance(declaration, Argument):
        return typer.Argument(help=help, metavar=declaration.spelling(name), show_default=False)
    return typer.Option(
        *declaration.flags_of(name),
        help=help,
        metavar=_metavar(name, declaration, item_type),
        parser=None if item_type in (bool, str, Path) else _parser(declaration, name, item_type),
        show_default=False,
        rich_help_panel=declaration.panel,
    )


def _metavar(name: str, declaration: Option, item_type: Any) -> str:
    if declaration.metavar is not None:
        return declaration.metavar
    return "|".join(_choices(item_type)) or _METAVARS.get(item_type, name.upper())


def _choices(item_type: Any) -> tuple[str, ...]:
    return get_args(item_type) if get_origin(item_type) is Literal else ()


def _parser(declaration: Option, name: str, item_type: Any) -> Callable[[Any], Any]:
    """A function that reads a number or one of several words. It raises BadValue for anything else."""
    choices = _choices(item_type)
    rule = f"{', '.join(choices[:-1])} or {choices[-1]}" if choices else _number_rule(declaration, item_type)

    def parse(value: Any) -> Any:
        if choices and value in choices:
            return value
        if not choices:
            least, most = declaration.least, declaration.most
            try:
                number = item_type(value)
            except ValueError:
                number = math.nan  # which no bounds include
            if (-math.inf if least is None else least) <= number <= (math.inf if most is None else most):
                return number
        raise BadValue(f"{declaration.spelling(name)} must be {rule} (got {quote(value)})")

    return parse


def _number_rule(declaration: Option, item_type: Any) -> str:
    noun = "an integer" if item_type is int else "a number"
    if declaration.least is None:
        return noun
    if declaration.most is None:
        return f"{noun} from {declaration.least:g}"
    return f"{noun} from {declaration.least:g} to {declaration.most:g}"
