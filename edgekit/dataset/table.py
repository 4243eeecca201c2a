"""A CSV of file,label: images anywhere beside it, with their classes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from edgekit.dataset.folders import SPLIT_NAMES
from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.errors import DataError

TABLE_NAME = "labels.csv"
_FILE, _CLASS, _INDEX, _SPLIT = ("file", "filename", "path"), ("label", "class"), ("class_index",), "split"


def read_table(path: Path, *, folder: Path | None = None) -> Listing:
    """The images that the table lists, their files relative to `folder` (by default the one that it lies in).

    Its first line names the columns: file; label or class (a name) or class_index (a number); and, optionally, split
    (train or val). Class names of numbers are read from the one *classes*.txt beside the table, if there is one, a
    name a line. Raises DataError naming the line.
    """
    rows = _read_rows(path)
    header = tuple(rows[0][1]) if rows else ()
    file, label = _column(path, header, _FILE), _column(path, header, (*_CLASS, *_INDEX))
    entries = []
    for line, row in rows:
        if not row[file] or not row[label]:
            raise DataError(f"{path}: line {line} has no {file if not row[file] else label}")
        split = _split_named(path, line, row.get(_SPLIT, ""))
        entries.append(Entry(split, row[label], row[file], (folder or path.parent) / row[file]))
    return _list_by_index(path, entries) if label in _INDEX else Listing(entries=entries)


def _read_rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """(line, values by column) of every row, values stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV in UTF-8: {error}") from None
    if not rows:
        raise DataError(f"{path}: lists no images")
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path}: line {line} has another number of columns than the first one")
    return [(line, {name.strip().lower(): value.strip() for name, value in row.items()}) for line, row in rows]


def _column(path: Path, header: tuple[str, ...], names: tuple[str, ...]) -> str:
    column = next((name for name in names if name in header), None)
    if column is None:
        raise DataError(f"{path}: has no column {' or '.join(names)}; its first line has {', '.join(header)}")
    return column


def _split_named(path: Path, line: int, name: str) -> Split | None:
    if not name:
        return None
    for split, names in SPLIT_NAMES.items():
        if name.lower() in names:
            return split
    raise DataError(f"{path}: line {line}: split {name!r} is neither train nor val")


def _list_by_index(path: Path, entries: list[Entry]) -> Listing:
    """Classes by their numbers, with names if a list of them lies beside the table."""
    for entry in entries:
        if not entry.class_key.isdecimal():
            raise DataError(f"{path}: {entry.name}: class_index {entry.class_key!r} is not a whole number from 0")
    entries = [entry._replace(class_key=str(int(entry.class_key))) for entry in entries]
    name_files = sorted(path.parent.glob("*classes*.txt"))
    if len(name_files) != 1:
        return Listing(entries=entries, class_order=tuple(sorted({entry.class_key for entry in entries}, key=int)))
    names = name_files[0].read_text(encoding="utf-8-sig").splitlines()
    class_names = {str(index): name for index, name in enumerate(names)}
    nameless = next((entry for entry in entries if entry.class_key not in class_names), None)
    if nameless is not None:
        raise DataError(f"{path}: {nameless.name}: {name_files[0].name} has no class of index {nameless.class_key}")
    return Listing(entries=entries, class_order=tuple(class_names), class_names=class_names)
