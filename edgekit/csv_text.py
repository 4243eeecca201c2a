"""Rows of CSV files that no spreadsheet runs as formulas."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.errors import printable

# The first character of a spreadsheet formula, in ASCII and full-width form.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")


def csv_line(cells: Iterable[object]) -> str:
    """Return one line of CSV, without its end. Texts cannot be formulas or escape sequences; None is an empty cell.

    Args:
        cells: texts, numbers or None.
    """
    import csv  # here, because most predictions are not printed as CSV
    from io import StringIO

    line = StringIO()
    csv.writer(line, lineterminator="").writerow([_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return line.getvalue()


def _safe(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text
