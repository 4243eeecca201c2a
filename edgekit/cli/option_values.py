"""Values of options that are more than one number or word."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any


def scalar(text: str) -> Any:
    """A number, a truth value or a list as TOML writes it; any other text is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def composite(text: str) -> Any:
    """[1, 2] as in TOML; 1,2 or a,b as a list; 1 as a number; a as a list of one word."""
    value = scalar(text)
    return [scalar(part.strip()) for part in text.split(",")] if value is text else value


def named_values(pairs: Iterable[str]) -> dict[str, Any]:
    """The values of --argument NAME=VALUE, by their names. Raises SpecError for one that is not written so."""
    from edgekit.errors import SpecError

    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise SpecError(f"--argument {pair!r}: write NAME=VALUE")
        values[name] = scalar(value)
    return values
