"""CSV tables of image files and their labels."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from edgekit.dataset.folders import SPLIT_NAMES
from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.errors import DataError, quote

TABLE_NAME = "labels.csv"
_FILE, _CLASS, _INDEX, _SPLIT = ("file", "filename", "path"), ("label", "class"), ("class_index",), "split"
_SEVERAL, _SEPARATOR = ("labels",), "|"
_KNOWN = {*_FILE, *_CLASS, *_INDEX, *_SEVERAL, _SPLIT}


def read_table(path: Path, *, folder: Path | None = None) -> Listing:
    """List the images of a table.

    The first line names the columns: `file`; `label` or `class` (a name) or `class_index` (a number); optionally
    `split` (train or val). If exactly one *classes*.txt lies beside a table of class indexes, it provides the class
    names, one per line.

    For several labels per image: `labels` (names separated by "|"; empty for none) instead of `label`; or no such
    column, and every column besides `file` and `split` is a class, with 1 if the image has it, otherwise 0.

    Args:
        path: CSV file in UTF-8.
        folder: what the file names are relative to; by default the folder of the table.

    Raises:
        DataError: the table cannot be used; the message names the line.
    """
    rows = _read_rows(path)
    header = tuple(rows[0][1]) if rows else ()
    file, (column, class_columns) = _column(path, header, _FILE), _class_columns(path, rows, header)
    entries = []
    for line, row in rows:
        for name in (file, *((column,) if column in (*_CLASS, *_INDEX) else ())):
            if not row[name]:
                raise DataError(f"{path}: line {line} has no value in column {name}")
        keys = _keys(row, column, class_columns)
        split = _split_named(path, line, row.get(_SPLIT, ""))
        entries.append(Entry(split, keys, row[file], (folder or path.parent) / row[file]))
    if column in _INDEX:
        return _list_by_index(path, entries)
    if column in _CLASS:
        return Listing(entries=entries)
    _check_separator(path, entries)
    return Listing(entries=entries, class_order=class_columns or None, task="multi-label")


def _keys(row: Mapping[str, str], column: str | None, class_columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of an image, each once."""
    if column is None:
        return tuple(name for name in class_columns if row[name] == "1")
    parts = row[column].split(_SEPARATOR) if column in _SEVERAL else [row[column]]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _class_columns(
    path: Path, rows: list[tuple[int, Mapping[str, str]]], header: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """Return the column of the labels; or None, and a column of 0 and 1 for each class."""
    known = (*_CLASS, *_INDEX, *_SEVERAL)
    column = next((name for name in known if name in header), None)
    others = tuple(name for name in header if name not in (*_FILE, _SPLIT))
    if column is not None or len(others) < 2:
        return column or _column(path, header, known), ()
    for line, row in rows:
        for name in others:
            if row[name] not in ("0", "1"):
                raise DataError(
                    f"{path}: has no column {' or '.join(known)}, so every column but {_FILE[0]} and {_SPLIT} must be "
                    f"a class with 0 or 1 in every line (line {line}, {quote(name)}: {quote(row[name])})"
                )
    return None, others


def _check_separator(path: Path, entries: list[Entry]) -> None:
    """Raise DataError if labels seem to be separated by commas or semicolons: no bar, and parts that occur again."""
    if any(len(entry.class_keys) > 1 for entry in entries):
        return
    parts = Counter(p.strip() for key in {k for e in entries for k in e.class_keys} for p in re.split("[,;]", key))
    for entry in entries:
        for key in entry.class_keys:
            if re.search("[,;]", key) and any(parts[part.strip()] > 1 for part in re.split("[,;]", key)):
                raise DataError(
                    f"{path}: {entry.name}: the labels of an image must be separated with {_SEPARATOR!r} "
                    f"(got {quote(key)})"
                )


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
    return [(line, {_column_name(name): value.strip() for name, value in row.items()}) for line, row in rows]


def _column_name(name: str) -> str:
    """Return the name in lower case, except that of a class."""
    return name.strip().lower() if name.strip().lower() in _KNOWN else name.strip()


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
        if not entry.class_keys[0].isdecimal():
            raise DataError(
                f"{path}: {entry.name}: class_index must be an integer of at least 0 (got {quote(entry.class_keys[0])})"
            )
    entries = [entry._replace(class_keys=(str(int(entry.class_keys[0])),)) for entry in entries]
    name_files = sorted(path.parent.glob("*classes*.txt"))
    if len(name_files) != 1:
        return Listing(entries=entries, class_order=tuple(sorted({entry.class_keys[0] for entry in entries}, key=int)))
    names = name_files[0].read_text(encoding="utf-8-sig").splitlines()
    class_names = {str(index): name for index, name in enumerate(names)}
    unnamed = next((entry for entry in entries if entry.class_keys[0] not in class_names), None)
    if unnamed is not None:
        index = unnamed.class_keys[0]
        raise DataError(f"{path}: {unnamed.name}: {name_files[0].name} has no name for class index {index}")
    return Listing(entries=entries, class_order=tuple(class_names), class_names=class_names)
