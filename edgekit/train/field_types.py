"""Whether values that a person wrote are of the kinds that a dataclass declares."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, Literal

from edgekit.errors import SpecError

_SAID = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "nothing"}


def check_kinds(section: Any) -> None:
    """Raises SpecError for a field of a dataclass whose value is not of the kind that it declares.

    TOML and JSON have lists for tuples, and whole numbers are numbers; true is no number, and nan is none either.
    """
    for name, kind in _kinds(type(section)).items():
        value = getattr(section, name)
        if not _fits(value, kind):
            raise SpecError(f"{name} must be {_said(kind)}, not {value!r:.100}")


def _kinds(section: type) -> dict[str, Any]:
    hints = typing.get_type_hints(section)
    return {entry.name: hints[entry.name] for entry in dataclasses.fields(section)}


def _fits(value: object, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return any(_fits(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, list | tuple) and _fit_each(value, arguments)
    if origin is Literal:
        return isinstance(value, str)  # of these, the section says which are known
    if kind is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, origin or kind) and (kind is bool or not isinstance(value, bool))


def _fit_each(values: list[Any] | tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1:] == (...,):
        return all(_fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(_fits, values, kinds))


def _said(kind: Any) -> str:
    """The kind for people: a number, [a number, a number], a list of texts."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return " or ".join(map(_said, arguments))
    if origin is Literal:
        return _SAID[str]
    if origin is tuple and arguments[-1:] == (...,):
        return f"a list, each entry {_said(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_said, arguments))}]"
    return _SAID.get(kind, f"a {(origin or kind).__name__}")
