"""A CSV of file,label: pictures anywhere beside it, with their classes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from edgekit.dataset.folders import SPLIT_NAMES
from edgekit.dataset.listing import Entry, Found, Split
from edgekit.errors import DataError

TABLE = "labels.csv"
_FILE, _CLASS, _INDEX, _SPLIT = ("file", "filename", "path"), ("label", "class"), ("class_index",), ("split",)


def read_table(path: Path, *, folder: Path | None = None) -> Found:
    """The pictures that the table lists, their files relative to `folder` (by default the one that it lies in).

    Its first line names the columns: file; label or class (a name) or class_index (a number); and, if it likes, split
    (train or val). Class names of numbers are taken from the one *classes*.txt beside the table, if there is one, a
    name a line. Raises DataError naming the line.
    """
    rows = _rows(path)
    header = tuple(rows[0][1]) if rows else ()
    file, label = _column(path, header, _FILE), _column(path, header, (*_CLASS, *_INDEX))
    split = next((name for name in _SPLIT if name in header), None)
    entries = []
    for line, row in rows:
        if not row[file] or not row[label]:
            raise DataError(f"{path}: line {line} has no {file if not row[file] else label}")
        name = row[file]
        entries.append(
            Entry(_split(path, line, row[split] if split else ""), row[label], name, (folder or path.parent) / name)
        )
    if label not in _INDEX:
        return Found(entries=entries)
    return _numbered(path, entries)


def _rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """(line, values by column) of every row, values stripped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV in UTF-8: {error}") from None
    if not rows:
        raise DataError(f"{path}: lists no pictures")
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path}: line {line} has another number of columns than the first one")
    return [(line, {name.strip().lower(): value.strip() for name, value in row.items()}) for line, row in rows]


def _column(path: Path, header: tuple[str, ...], names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in header), None)
    if found is None:
        raise DataError(f"{path}: has no column {' or '.join(names)}; its first line has {', '.join(header)}")
    return found


def _split(path: Path, line: int, text: str) -> Split | None:
    if not text:
        return None
    for split, names in SPLIT_NAMES.items():
        if text.lower() in names:
            return split
    raise DataError(f"{path}: line {line}: split {text!r} is neither train nor val")


def _numbered(path: Path, entries: list[Entry]) -> Found:
    """Classes by their numbers, with names where a list of them lies beside the table."""
    for entry in entries:
        if not entry.class_key.isdecimal():
            raise DataError(f"{path}: {entry.name}: class_index {entry.class_key!r} is not a whole number from 0")
    entries = [entry._replace(class_key=str(int(entry.class_key))) for entry in entries]
    lists = sorted(path.parent.glob("*classes*.txt"))
    if len(lists) != 1:
        return Found(entries=entries, order=tuple(sorted({entry.class_key for entry in entries}, key=int)))
    titles = dict(enumerate(lists[0].read_text(encoding="utf-8-sig").splitlines()))
    beyond = next((entry for entry in entries if int(entry.class_key) not in titles), None)
    if beyond is not None:
        raise DataError(f"{path}: {beyond.name}: {lists[0].name} has no class of index {beyond.class_key}")
    order = tuple(str(index) for index in titles)
    return Found(entries=entries, order=order, titles={str(index): title for index, title in titles.items()})
