"""HTML in which text stays text: labels and file names are a stranger's, so all that is not Markup is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from edgekit.errors import printable

_SHORT = 14


class Markup(str):
    """HTML or SVG that was built here."""

    __slots__ = ()


def element(tag: str, attributes: Mapping[str, object] | None = None, *children: str | Iterable[Markup]) -> Markup:
    """<tag attributes>children</tag>; attributes and children that are plain strings are escaped."""
    given = "".join(f' {name}="{escaped(str(value))}"' for name, value in (attributes or {}).items())
    return Markup(f"<{tag}{given}>{joined(children)}</{tag}>")


def void(tag: str, attributes: Mapping[str, object]) -> Markup:
    """An element that has no content, such as img."""
    return Markup(element(tag, attributes).removesuffix(f"</{tag}>"))


def joined(children: Iterable[str | Iterable[Markup]]) -> Markup:
    """The children one after the other."""
    return Markup("".join(_one(child) for child in children))


def escaped(text: str) -> str:
    """The text as HTML; characters that a person cannot see, or that turn the direction of a line, are spelled out."""
    return html.escape(printable(text), quote=True)


def short(label: str) -> str:
    """A long label up to its first comma: ImageNet's list every synonym."""
    return (label.partition(",")[0] or label) if len(label) > _SHORT else label


def _one(child: str | Iterable[Markup]) -> str:
    if isinstance(child, Markup):
        return child
    return escaped(child) if isinstance(child, str) else "".join(child)
