"""Parsing of option values that may be more than one number or word."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any


def scalar(text: str) -> Any:
    """Parse a number, boolean or list in TOML syntax; return any other text as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
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
