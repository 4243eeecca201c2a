"""How text fits the terminal: its width, truncation in the middle, wrapping between words."""

from __future__ import annotations

import os
import sys

_ELLIPSIS = "..."
_LEAST_WIDTH = 20


def terminal_width() -> int | None:
    """The columns of the terminal that shows stdout; None if stdout goes to a file or a pipe.

    COLUMNS, if it is set, overrides both.
    """
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdecimal() and int(stated):
        return int(stated)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):  # not a terminal, or not even a file of the system
        return None


def text_width(text: str) -> int:
    """The columns that a text fills: two for each wide character, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    from unicodedata import category, east_asian_width  # here, because most text is ASCII

    return 0 if category(character) in ("Mn", "Me", "Cf") else 2 if east_asian_width(character) in "WF" else 1


def truncated(text: str, width: int) -> str:
    """The text without its middle, if it fills more than this many columns."""
    if text_width(text) <= width:
        return text
    room = max(width - len(_ELLIPSIS), 0)
    tail = _prefix(text[::-1], room // 2)[::-1]
    return (_prefix(text, room - text_width(tail)) + _ELLIPSIS + tail)[: max(width, 0)]


def _prefix(text: str, width: int) -> str:
    """The longest start of the text that fits."""
    used = 0
    for end, character in enumerate(text):
        used += _character_width(character)
        if used > width:
            return text[:end]
    return text


def wrapped(text: str, width: int, *, cut: bool = True) -> list[str]:
    """The lines of a text, broken between words.

    Args:
        text: words.
        width: columns of a line.
        cut: whether a word that fills more than a line is truncated in the middle.
    """
    lines, line = [], ""
    for word in text.split(" "):
        word = truncated(word, width) if cut else word
        joined = f"{line} {word}" if line else word
        if line and text_width(joined) > width:
            lines.append(line)
            line = word
        else:
            line = joined
    return [*lines, line]


def paragraph(text: str, *, indent: str = "") -> str:
    """The text in lines that fit the terminal; unchanged if stdout is no terminal.

    Args:
        text: words; several blanks between two of them are kept.
        indent: what the second and further lines begin with.
    """
    width = terminal_width()
    if width is None or text_width(text) <= width:
        return text
    first = text[: len(indent)]
    return first + f"\n{indent}".join(wrapped(text[len(indent) :], max(width - len(indent), _LEAST_WIDTH)))
