"""HTML in which text stays text: labels and file names are untrusted, so all that is not Markup is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from edgekit.errors import printable

_MAX_LABEL = 14


class Markup(str):
    """HTML or SVG that was built here."""

    __slots__ = ()


def element(tag: str, attributes: Mapping[str, object] | None = None, *children: str | Iterable[Markup]) -> Markup:
    """<tag attributes>children</tag>; attributes and children that are plain strings are escaped."""
    attribute_text = "".join(f' {name}="{escape(str(value))}"' for name, value in (attributes or {}).items())
    return Markup(f"<{tag}{attribute_text}>{concatenate(children)}</{tag}>")


def void_element(tag: str, attributes: Mapping[str, object]) -> Markup:
    """An element that has no content, such as img."""
    return Markup(element(tag, attributes).removesuffix(f"</{tag}>"))


def concatenate(children: Iterable[str | Iterable[Markup]]) -> Markup:
    """The children one after the other; plain strings are escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        else:
            parts.append(escape(child) if isinstance(child, str) else "".join(child))
    return Markup("".join(parts))


def escape(text: str) -> str:
    """The text as HTML; characters that are invisible or change the writing direction are spelled out."""
    return html.escape(printable(text), quote=True)


def short_label(label: str) -> str:
    """A long label up to its first comma: ImageNet's list every synonym."""
    return (label.partition(",")[0] or label) if len(label) > _MAX_LABEL else label
