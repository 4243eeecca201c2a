"""Building HTML safely: labels and file names are untrusted, so everything that is not Markup is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from edgekit.errors import printable

_MAX_LABEL = 14


class Markup(str):
    """HTML or SVG that this module has built, and that is not escaped again."""

    __slots__ = ()


def element(tag: str, attributes: Mapping[str, object] | None = None, *children: str | Iterable[Markup]) -> Markup:
    """Build <tag attributes>children</tag>.

    Args:
        tag: name of the element.
        attributes: values by name; they are escaped.
        children: plain strings, which are escaped, or markup.
    """
    attribute_text = "".join(f' {name}="{escape(str(value))}"' for name, value in (attributes or {}).items())
    return Markup(f"<{tag}{attribute_text}>{concatenate(children)}</{tag}>")


def void_element(tag: str, attributes: Mapping[str, object]) -> Markup:
    """Build an element without content, such as img."""
    return Markup(element(tag, attributes).removesuffix(f"</{tag}>"))


def concatenate(children: Iterable[str | Iterable[Markup]]) -> Markup:
    """Join children; plain strings are escaped."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        else:
            parts.append(escape(child) if isinstance(child, str) else "".join(child))
    return Markup("".join(parts))


def escape(text: str) -> str:
    """Escape text for HTML; invisible characters and changes of the writing direction become escape sequences."""
    return html.escape(printable(text), quote=True)


def short_label(label: str) -> str:
    """Shorten a long label to the part before its first comma; ImageNet's labels list all synonyms."""
    return (label.partition(",")[0] or label) if len(label) > _MAX_LABEL else label
