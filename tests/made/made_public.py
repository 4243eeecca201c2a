"""The public API as the tests see it: its objects, and the table of their signatures.

    python tests/made/made_public.py > tests/public_api.txt

writes the table anew, after a change of the API that is meant.
"""

import dataclasses
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator

DOORS = (
    "edgekit",
    "edgekit.audit",
    "edgekit.dataset",
    "edgekit.evaluate",
    "edgekit.export",
    "edgekit.fit",
    "edgekit.quantize",
    "edgekit.serve",
    "edgekit.shards",
    "edgekit.train",
)
_WIDTH = 110


class _Text:
    """Stands in a signature for what prints as this text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def public_objects() -> Iterator[tuple[str, object]]:
    """Every public name of every door, with its object."""
    for door in DOORS:
        module = importlib.import_module(door)
        yield from ((f"{door}.{name}", getattr(module, name)) for name in dir(module))


def public_members(kind: type) -> Iterator[tuple[str, object]]:
    """The public methods, properties and constants of a class, inherited ones too."""
    for name in dir(kind):
        home = next((base for base in kind.__mro__ if name in vars(base)), object)
        if not name.startswith("_") and home.__module__.startswith("edgekit.") and name not in fields_of(kind):
            yield name, vars(home)[name]


def fields_of(kind: type) -> tuple[str, ...]:
    """The names of the fields of a dataclass or named tuple."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return getattr(kind, "_fields", ())


def is_result(value: object) -> bool:
    """Whether users get objects of this class and do not make them: it documents attributes, not arguments."""
    return isinstance(value, type) and (
        issubclass(value, Exception) or "\nAttributes:\n" in (inspect.getdoc(value) or "")
    )


def has_constructor(kind: type) -> bool:
    """Whether its constructor is its own, and not that of Exception."""
    return not issubclass(kind, Exception) or "__init__" in vars(kind)


def lines_of(name: str, value: object) -> Iterator[str]:
    """The lines of the table for one public name."""
    if not callable(value):
        yield f"{name}: {type(value).__name__}"
        return
    if not isinstance(value, type):
        yield from _signatures(name, value)
        return
    yield from _signatures(name, value) if has_constructor(value) else [f"{name}(*args)"]
    if issubclass(value, Exception):
        yield f"    bases: {', '.join(base.__name__ for base in value.__bases__)}"
    if fields_of(value):
        yield f"    fields: {', '.join(fields_of(value))}"
    for member, definition in public_members(value):
        yield from (f"    {line}" for line in _member(member, definition))


def _member(name: str, definition: object) -> Iterator[str]:
    if isinstance(definition, property):
        yield f"{name} -> {_annotation(inspect.signature(definition.fget).return_annotation)}"
    elif isinstance(definition, classmethod | staticmethod):
        yield from _signatures(f"@{type(definition).__name__} {name}", definition.__func__)
    elif callable(definition):
        yield from _signatures(f"{'async ' * inspect.iscoroutinefunction(definition)}{name}", definition)
    else:
        yield f"{name} = {definition!r}"


def _signatures(name: str, function: object) -> Iterator[str]:
    for version in (*typing.get_overloads(function), function) if inspect.isfunction(function) else (function,):
        signature = inspect.signature(version)
        parameters = [
            parameter.replace(annotation=_text(parameter.annotation), default=_default(parameter.default))
            for parameter in signature.parameters.values()
        ]
        text = str(signature.replace(parameters=parameters, return_annotation=_text(signature.return_annotation)))
        line = f"{name}{text}"
        yield from [line] if len(line) <= _WIDTH else _wrapped(name, parameters, text)


def _wrapped(name: str, parameters: list[inspect.Parameter], text: str) -> Iterator[str]:
    """The same signature with a parameter on each line."""
    yield f"{name}("
    before = None
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY is not before:
            yield "    *,"
        before = parameter.kind
        yield f"    {parameter},"
    yield text[text.rindex(")") if "->" not in text else text.rindex(") ->") :]


def _annotation(annotation: object) -> str:
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _text(annotation: object) -> object:
    return annotation if annotation is inspect.Signature.empty else _Text(_annotation(annotation))


def _default(value: object) -> object:
    """Functions have no repr that stays the same."""
    return _Text("...") if inspect.isfunction(value) else value


def table() -> str:
    """The whole table."""
    return "\n".join(line for name, value in public_objects() for line in lines_of(name, value)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
