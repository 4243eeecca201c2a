"""Tables that fit the terminal: no word is broken, no figure is cut, long names lose their middle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from edgekit.cli.layout import paragraph, terminal_width, text_width, truncated, wrapped
from edgekit.errors import printable

_WIDTH = 80  # where stdout is no terminal, so that files look alike
_LEAST_WIDTH = 50
_GAP = "  "
_LEAST_NAME, _NAME_LINES = 16, 2  # columns that a name keeps however narrow the terminal, and lines that it may fill
# 12, -0.50, 2.22x, 83.5% +0.12, 88.00 to 92.00, +0.50 (-0.10 to +1.10), 7/10, 1x64x7x7
_NUMBER = re.compile(r"-|[-+]?\d[-+\d.,/%xM() to]{0,31}")


class _Column(NamedTuple):
    """A column of texts, its header first.

    Attributes:
        header: what stands above it.
        cells: its texts.
        is_number: whether all are numbers, which are aligned right.
        wraps: whether texts are broken between words.
        is_cut: whether names that are too long are truncated in the middle.
    """

    header: str
    cells: tuple[str, ...]
    is_number: bool
    wraps: bool
    is_cut: bool

    def lines(self, text: str, width: int) -> list[str]:
        """A cell as it is printed."""
        lines = wrapped(text, width, cut=self.is_cut)
        if self.wraps or (self.is_cut and len(lines) <= _NAME_LINES):
            return lines
        return [truncated(text, width) if self.is_cut else text]

    @property
    def widest(self) -> int:
        """The columns of the terminal that it fills if nothing is broken."""
        return max(map(text_width, (self.header, *self.cells)))

    @property
    def least(self) -> int:
        """The columns that it needs: those of a word of the header, of a number, or of a truncated name."""
        word = max(map(text_width, self.header.split(" ")))
        cells = max(map(text_width, self.cells), default=0)
        return max(word, min(cells, _LEAST_NAME) if self.wraps or self.is_cut else cells)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows as columns; numbers are right-aligned.

    If the columns do not fit the terminal side by side, headers and texts of the last column are broken between words,
    other names too if two lines suffice; longer ones are truncated in the middle. If that is not enough, the table is
    continued below, with the first column repeated. Elsewhere than on a terminal, where a program may read the names,
    they are never truncated.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    width = terminal_width()
    columns = []
    for number, name in enumerate(header):
        texts = tuple(row[number] for row in cells)
        is_number = bool(texts) and all(map(_NUMBER.fullmatch, texts))
        wraps = not is_number and number == len(header) - 1
        columns.append(_Column(printable(name), texts, is_number, wraps, not is_number and width is not None))
    limit = max(width or _WIDTH, _LEAST_WIDTH)
    return "\n\n".join("\n".join(_lines(block, limit)) for block in _blocks(columns, limit))


def _blocks(columns: list[_Column], limit: int) -> list[list[_Column]]:
    """The columns that are printed side by side; every block begins with the first column."""
    first, *others = columns
    blocks = [[first]]
    for column in others:
        needed = sum(c.least for c in (*blocks[-1], column)) + len(_GAP) * len(blocks[-1])
        if needed > limit and len(blocks[-1]) > 1:
            blocks.append([first])
        blocks[-1].append(column)
    return blocks


def _lines(columns: list[_Column], limit: int) -> list[str]:
    widths = _widths(columns, limit - len(_GAP) * (len(columns) - 1))
    header = [wrapped(column.header, width) for column, width in zip(columns, widths, strict=True)]
    rows = [
        [
            wrapped(c, w) if column.wraps else [truncated(c, w)]
            for c, w, column in zip(row, widths, columns, strict=True)
        ]
        for row in zip(*(column.cells for column in columns), strict=True)
    ]
    right = [column.is_number for column in columns]
    body = [line for row in rows for line in _row_lines(row, widths, right)]
    return [*_row_lines(header, widths, right), _GAP.join("-" * width for width in widths), *body]


def _widths(columns: list[_Column], limit: int) -> list[int]:
    """The width of each column: the widest one that can be narrower gives way until all fit."""
    widths, least = [column.widest for column in columns], [column.least for column in columns]
    for _ in range(sum(widths) - limit):
        slack = [number for number, width in enumerate(widths) if width > least[number]]
        if slack:
            widths[max(slack, key=lambda number: widths[number])] -= 1
    return widths


def _row_lines(cells: Sequence[list[str]], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """A row, whose cells have one or more lines each."""
    return [
        _GAP.join(_aligned(text, width, right=r) for text, width, r in zip(texts, widths, right, strict=True)).rstrip()
        for texts in zip_longest(*cells, fillvalue="")
    ]


def _aligned(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - text_width(text))
    return blank + text if right else text + blank


def facts(pairs: Iterable[tuple[str, str]], *, width: int) -> str:
    """Format names and what they stand for, one pair a line.

    On a terminal, long values are broken between words, except commands, which are there to be copied.

    Args:
        pairs: names and values.
        width: columns for the names.
    """
    indent = " " * (width + len(_GAP))
    lines = ((f"{name:<{width}}{_GAP}{printable(value)}", value.startswith("edgekit ")) for name, value in pairs)
    return "\n".join(line if is_command else paragraph(line, indent=indent) for line, is_command in lines)
