"""Checks of values which a user wrote: the types that a dataclass declares, ranges, and known names."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from edgekit.errors import SpecError, quote, unknown

_TYPE_NAMES = {int: "an integer", float: "a number", bool: "true or false", str: "a string", type(None): "None"}


def check_field_types(section: Any) -> None:
    """Check the types of all fields of a dataclass.

    TOML and JSON have lists for tuples, and an integer is also accepted as a float; booleans and nan are not numbers.

    Args:
        section: an instance of a dataclass.

    Raises:
        SpecError: a value does not have the type that its field declares.
    """
    for name, kind in _field_types(type(section)).items():
        value = getattr(section, name)
        if not _fits(value, kind):
            raise SpecError(f"`{name}` must be {_type_name(kind)} (got {quote(value)})")


def check_each(section: object, names: tuple[str, ...], is_allowed: Callable[[Any], bool], bounds: str) -> None:
    """Raise SpecError, which names the `bounds`, if the value of one of these fields is not allowed."""
    for name in names:
        value = getattr(section, name)
        if not is_allowed(value):
            raise SpecError(f"`{name}` must be {bounds} (got {quote(value)})")


def check_name(kind: str, name: str, known: tuple[str, ...]) -> None:
    """Raise SpecError if `name` is not one of `known`, with the closest known names; `kind` says what is named."""
    if name not in known:
        raise SpecError(unknown(kind, name, known))


def _field_types(section: type) -> dict[str, Any]:
    hints = typing.get_type_hints(section)
    return {entry.name: hints[entry.name] for entry in dataclasses.fields(section)}


def _fits(value: object, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return any(_fits(value, alternative) for alternative in arguments)
    if origin is tuple:
        return isinstance(value, list | tuple) and _fit_each(value, arguments)
    if origin is Literal:
        return isinstance(value, str)  # the dataclass itself checks which strings are known
    if kind is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, origin or kind) and (kind is bool or not isinstance(value, bool))


def _fit_each(values: list[Any] | tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1:] == (...,):
        return all(_fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(_fits, values, kinds))


def _type_name(kind: Any) -> str:
    """The type in words, e.g. "a number", "[a number, a number]", "a list whose entries are each a string"."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return " or ".join(map(_type_name, arguments))
    if origin is Literal:
        return _TYPE_NAMES[str]
    if origin is tuple and arguments[-1:] == (...,):
        return f"a list whose entries are each {_type_name(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_type_name, arguments))}]"
    return _TYPE_NAMES.get(kind, f"a {(origin or kind).__name__}")
