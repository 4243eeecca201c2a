"""CSV tables of image files and their labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from edgekit.dataset.folders import SPLIT_NAMES
from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.errors import DataError, quote

TABLE_NAME = "labels.csv"
_FILE, _CLASS, _INDEX, _SPLIT = ("file", "filename", "path"), ("label", "class"), ("class_index",), "split"


def read_table(path: Path, *, folder: Path | None = None) -> Listing:
    """List the images of a table.

    The first line names the columns: `file`; `label` or `class` (a name) or `class_index` (a number); optionally
    `split` (train or val). If exactly one *classes*.txt lies beside a table of class indexes, it provides the class
    names, one per line.

    Args:
        path: CSV file in UTF-8.
        folder: what the file names are relative to; by default the folder of the table.

    Raises:
        DataError: the table cannot be used; the message names the line.
    """
    rows = _read_rows(path)
    header = tuple(rows[0][1]) if rows else ()
    file, label = _column(path, header, _FILE), _column(path, header, (*_CLASS, *_INDEX))
    entries = []
    for line, row in rows:
        if not row[file] or not row[label]:
            raise DataError(f"{path}: line {line} has no value in column {file if not row[file] else label}")
        split = _split_named(path, line, row.get(_SPLIT, ""))
        entries.append(Entry(split, row[label], row[file], (folder or path.parent) / row[file]))
    return _list_by_index(path, entries) if label in _INDEX else Listing(entries=entries)


def _read_rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Return (line number, values by column) of every row, with whitespace stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}") from None
    if not rows:
        raise DataError(f"{path}: lists no images")
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path}: line {line} does not have as many columns as the first line")
    return [(line, {name.strip().lower(): value.strip() for name, value in row.items()}) for line, row in rows]


def _column(path: Path, header: tuple[str, ...], names: tuple[str, ...]) -> str:
    column = next((name for name in names if name in header), None)
    if column is None:
        raise DataError(f"{path}: has no column {' or '.join(names)}; its columns are {quote(', '.join(header))}")
    return column


def _split_named(path: Path, line: int, name: str) -> Split | None:
    if not name:
        return None
    for split, names in SPLIT_NAMES.items():
        if name.lower() in names:
            return split
    raise DataError(f"{path}: line {line}: split must be train or val (got {quote(name)})")


def _list_by_index(path: Path, entries: list[Entry]) -> Listing:
    """Order the classes by index, and name them if a list of names lies beside the table."""
    for entry in entries:
        if not entry.class_key.isdecimal():
            raise DataError(
                f"{path}: {entry.name}: class_index must be an integer of at least 0 (got {quote(entry.class_key)})"
            )
    entries = [entry._replace(class_key=str(int(entry.class_key))) for entry in entries]
    name_files = sorted(path.parent.glob("*classes*.txt"))
    if len(name_files) != 1:
        return Listing(entries=entries, class_order=tuple(sorted({entry.class_key for entry in entries}, key=int)))
    names = name_files[0].read_text(encoding="utf-8-sig").splitlines()
    class_names = {str(index): name for index, name in enumerate(names)}
    unnamed = next((entry for entry in entries if entry.class_key not in class_names), None)
    if unnamed is not None:
        raise DataError(f"{path}: {unnamed.name}: {name_files[0].name} has no name for class index {unnamed.class_key}")
    return Listing(entries=entries, class_order=tuple(class_names), class_names=class_names)
