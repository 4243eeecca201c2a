"""A parser for `edgekit predict` without typer, whose import takes longer than a prediction."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, get_args, get_type_hints

from edgekit.cli.options import Option, is_repeated
from edgekit.cli.predict.options import Options


class _Flag(NamedTuple):
    """What a flag sets: a field of Options, to one value or to a tuple of all that are given."""

    field: str
    item_type: type
    is_repeated: bool
    least: float | None
    most: float | None


def _flags() -> dict[str, _Flag]:
    flags: dict[str, _Flag] = {}
    for name, annotation in get_type_hints(Options, include_extras=True).items():
        value_type, declaration = get_args(annotation)
        if isinstance(declaration, Option):
            item_type = (get_args(value_type) or (value_type,))[0]  # T of `T | None` and of `tuple[T, ...]`
            flag = _Flag(name, item_type, is_repeated(value_type), declaration.least, declaration.most)
            flags |= dict.fromkeys(declaration.flags_of(name), flag)
    return flags


_FLAGS = _flags()
_NUMBERS = {int: "[0-9]{1,18}", float: r"[0-9]{1,9}(\.[0-9]{1,9})?"}


def parse(arguments: list[str]) -> Options | None:
    """Parse what follows `edgekit predict`; return None for help, mistakes and unusual spellings, left to typer."""
    images: list[str] = []
    values: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            images += rest
        elif argument == "-" or not argument.startswith("-"):
            images.append(argument)
        else:
            name, equals, text = argument.partition("=")
            flag = _FLAGS.get(name)
            if flag is None or (flag.item_type is bool and equals):
                return None
            value = flag.item_type is bool or _value(flag, text if equals else next(rest, "--"), bool(equals))
            if value is None:
                return None
            values[flag.field] = (*values.get(flag.field, ()), value) if flag.is_repeated else value
    return Options(images=tuple(images), **values) if images or "list" in values else None


def _value(flag: _Flag, text: str, is_joined: bool) -> Any:
    """Convert the text to the type of the flag; return None if typer should parse it."""
    if text.startswith("-") and text != "-" and not is_joined:  # perhaps the value is missing
        return None
    if flag.item_type is str:
        return text
    if not re.fullmatch(_NUMBERS[flag.item_type], text):
        return None
    value = flag.item_type(text)
    too_small = flag.least is not None and value < flag.least
    return None if too_small or (flag.most is not None and value > flag.most) else value
