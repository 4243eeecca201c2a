"""Parsing of option values that may be more than one number or word."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

# The point of .5 and 5., where TOML wants a digit on both sides.
_LEFT, _RIGHT = re.compile(r"(?<![\w.])\.(?=\d)"), re.compile(r"(?<=\d)\.(?![\w.])")


def scalar(text: str) -> Any:
    """Parse a number (.5 and 5. are numbers too), boolean or list in TOML syntax; return any other text as it is."""
    if "\n" in text or "#" in text:  # further entries and comments
        return text
    for spelling in (text, _RIGHT.sub(".0", _LEFT.sub("0.", text))):
        try:
            value = tomllib.loads(f"value = {spelling}")["value"]
        except tomllib.TOMLDecodeError:
            continue
        return value if isinstance(value, bool | int | float | str | list) else text  # no dates
    return text


def composite(text: str) -> Any:
    """Parse [1, 2] as in TOML, 1,2 and a,b as a list, 1 as a number, a as a list of one word."""
    value = scalar(text)
    return [scalar(part.strip()) for part in text.split(",")] if value is text else value


def named_values(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse the values of --argument NAME=VALUE by name. Raises SpecError for any other form."""
    from edgekit.errors import SpecError, quote

    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise SpecError(f"--argument must be NAME=VALUE (got {quote(pair)})")
        values[name] = scalar(value)
    return values
