"""`edgekit predict` read without typer, whose import and parameters take longer than a prediction."""

from __future__ import annotations

import re
from typing import Any

from edgekit.cli.predict.options import OPTIONS, Option, Options

_FLAGS = {option.flag: option for option in OPTIONS}
_FIGURES = {int: re.compile("[0-9]{1,18}"), float: re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")}


def parse(arguments: list[str]) -> Options | None:
    """The options after `edgekit predict`, or None for what typer should answer: help, mistakes, what is unusual."""
    pictures: list[str] = []
    values: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            pictures += rest
        elif argument == "-" or not argument.startswith("-"):
            pictures.append(argument)
        else:
            flag, equals, text = argument.partition("=")
            option = _FLAGS.get(flag)
            if option is None or (option.kind is bool and equals):
                return None
            value = option.kind is bool or _value(option, text if equals else next(rest, "--"), bool(equals))
            if value is None:
                return None
            values[option.field] = (*values.get(option.field, ()), value) if option.repeated else value
    return Options(pictures=tuple(pictures), **values) if pictures or "list" in values else None


def _value(option: Option, text: str, joined: bool) -> Any:
    """What is written, as its kind; None for what typer should look at."""
    if text.startswith("-") and text != "-" and not joined:  # perhaps the value is missing
        return None
    if option.kind is str:
        return text
    if not _FIGURES[option.kind].fullmatch(text):
        return None
    value = option.kind(text)
    return None if option.least is not None and value < option.least else value
