"""CSV tables of image files and their labels."""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.dataset.folders import SPLIT_KINDS, split_kind
from edgekit.dataset.listing import Entry, Listing, Split
from edgekit.dataset.table_rows import Row, read_rows
from edgekit.errors import DataError, DataWarning, quote
from edgekit.label_files import read_labels

TABLE_NAME = "labels.csv"
_FILE, _CLASS, _INDEX, _SPLIT = ("file", "filename", "path"), ("label", "class"), ("class_index",), "split"
_SEVERAL, _SEPARATOR = ("labels",), "|"
_MISSING = frozenset({"", "nan", "<na>"})  # what numpy and pandas make of a missing value
_LIST = re.compile(r"\[.*\]|\{.*\}|\(.*,.*\)", re.DOTALL)  # several labels in the notation of JSON or Python
_KNOWN = {*_FILE, *_CLASS, *_INDEX, *_SEVERAL, _SPLIT}


def read_table(path: Path, *, folder: Path | None = None) -> Listing:
    """List the images of a table.

    The first line names the columns: `file`; `label` or `class` (a name) or `class_index` (a number); optionally
    `split` (train or val; test counts as val only if no row is named val). If exactly one *classes*.txt lies beside a
    table of class indexes, it provides the class names, one per line.

    For several labels per image: `labels` (names separated by "|"; empty for none) instead of `label`; or no such
    column, and every column besides `file` and `split` is a class, with 1 if the image has it, otherwise 0.

    Args:
        path: CSV file in UTF-8 or UTF-16, separated by commas, semicolons or tabs.
        folder: what the file names are relative to; by default the folder of the table.

    A file that is listed twice with the same label counts once; with `label` and `class_index`, the indexes order the
    classes.

    Raises:
        DataError: the table cannot be used, or contradicts itself; the message names the lines.
    """
    rows = read_rows(path, file_columns=_FILE, known=_KNOWN)
    header = tuple(rows[0].values)
    for alternatives in (_FILE, (*_CLASS, *_SEVERAL)):
        if len(both := [name for name in alternatives if name in header]) > 1:
            raise DataError(f"{path}: has the columns {' and '.join(both)}; keep the one to read")
    file, (column, class_columns) = _column(path, header, _FILE), _class_columns(path, rows, header)
    entries, used = _Entries(path, folder or path.parent), _used_splits(path, rows)
    for line, row in rows:
        for name in (file, *((column,) if column in (*_CLASS, *_INDEX) else ())):
            if not row[name] or (name != file and row[name].lower() in _MISSING):
                raise DataError(f"{path}: line {line} has no value in column {name} (got {quote(row[name])})")
        if column is not None and _LIST.fullmatch(row[column]):
            raise DataError(
                f"{path}: line {line}: several labels must be in a column {_SEVERAL[0]}, separated with {_SEPARATOR!r} "
                f"(got {quote(row[column])})"
            )
        kind = split_kind(row.get(_SPLIT, ""))
        if kind in used:
            entries.add(line, used[kind], _keys(row, column, class_columns), row[file])
    listed_entries = entries.finished()
    if column in _INDEX:
        listing = _list_by_index(path, listed_entries)
    elif column in _CLASS:
        index = next((name for name in _INDEX if name in header), None)
        order = None if index is None else _order_by_index(path, rows, column, index)
        listing = Listing(entries=listed_entries, class_order=order)
    else:
        _check_separator(path, listed_entries)
        listing = Listing(entries=listed_entries, class_order=class_columns or None, task="multi-label")
    names = {row.get(_SPLIT, "") for _, row in rows}
    return dataclasses.replace(listing, left_out=tuple(sorted(n for n in names if split_kind(n) not in used)))


class _Entries:
    """The images of a table, each real file once.

    Args:
        table: path of the table, for messages.
        folder: what file names are relative to.
    """

    def __init__(self, table: Path, folder: Path) -> None:
        self._table, self._folder = table, folder
        self._real_folders: dict[str, str] = {}
        self._rows: dict[str, tuple[int, Entry]] = {}

    def add(self, line: int, split: Split | None, keys: tuple[str, ...], name: str) -> None:
        """Add a row. Raises DataError if another one states something else about the same file."""
        entry = Entry(split, keys, name, self._folder / name)
        first, other = self._rows.setdefault(self._real_path(os.path.join(self._folder, name)), (line, entry))  # noqa: PTH118
        if set(other.class_keys) != set(keys):
            labels = f"{quote(', '.join(other.class_keys))} and {quote(', '.join(keys))}"
            raise DataError(f"{self._table}: lines {first} and {line} label the same file {quote(name)}: {labels}")
        if other.split != split:
            raise DataError(
                f"{self._table}: lines {first} and {line} put the same file {quote(name)} into different splits"
            )

    def finished(self) -> list[Entry]:
        """All entries in the order of the table; warns of files outside of the data's folder."""
        inside = f"{os.path.realpath(self._folder)}{os.sep}"
        outside = sum(not path.startswith(inside) for path in self._rows)
        if outside:
            warnings.warn(
                f"{self._table}: {outside} of {len(self._rows)} paths lie outside {self._folder}",
                DataWarning,
                stacklevel=3,
            )
        return [entry for _, entry in self._rows.values()]

    def _real_path(self, path: str) -> str:
        """The path without links and detours; folders are looked up once."""
        if os.pardir in path or os.path.islink(path):  # noqa: PTH114  (a hundred thousand Paths take seconds)
            return os.path.realpath(path)  # the parent of a linked folder is not the folder with the link
        folder, name = os.path.split(os.path.normpath(path))
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return os.path.join(self._real_folders[folder], name)  # noqa: PTH118


def _order_by_index(path: Path, rows: Sequence[Row], column: str, index: str) -> tuple[str, ...]:
    """The labels in the order of their indexes. Raises DataError if a label has two indexes, or an index two labels."""
    indexes: dict[str, tuple[int, str]] = {}
    labels: dict[str, tuple[int, str]] = {}
    for line, row in rows:
        label, number = row[column], row[index]
        if not number.isdecimal():
            raise DataError(f"{path}: line {line}: {index} must be an integer of at least 0 (got {quote(number)})")
        first, other = indexes.setdefault(label, (line, str(int(number))))
        second, name = labels.setdefault(str(int(number)), (line, label))
        if other != str(int(number)):
            raise DataError(f"{path}: lines {first} and {line} give {quote(label)} the indexes {other} and {number}")
        if name != label:
            raise DataError(
                f"{path}: lines {second} and {line} give index {number} the labels {quote(name)} and {quote(label)}"
            )
    return tuple(label for _, label in sorted((int(number), label) for label, (_, number) in indexes.items()))


def _keys(row: Mapping[str, str], column: str | None, class_columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of an image, each once."""
    if column is None:
        return tuple(name for name in class_columns if row[name] == "1")
    parts = row[column].split(_SEPARATOR) if column in _SEVERAL else [row[column]]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _class_columns(path: Path, rows: Sequence[Row], header: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
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


def _column(path: Path, header: tuple[str, ...], names: tuple[str, ...]) -> str:
    column = next((name for name in names if name in header), None)
    if column is None:
        raise DataError(f"{path}: has no column {' or '.join(names)}; its columns are {quote(', '.join(header))}")
    return column


def _used_splits(path: Path, rows: Sequence[Row]) -> Mapping[str | None, Split | None]:
    """The split of each kind of rows that is used, as for folders; without splits, that is None for None.

    Raises DataError for other names, and if only some rows have one.
    """
    kinds: set[str | None] = set()
    for line, row in rows:
        name = row.get(_SPLIT, "")
        kind = split_kind(name)
        if name and kind is None:
            raise DataError(f"{path}: line {line}: split must be train or val (got {quote(name)})")
        kinds.add(kind)
        if None in kinds and len(kinds) > 1:
            raise DataError(f"{path}: line {line}: either every row or none must have a split (got {quote(name)})")
    if None in kinds:
        return {None: None}
    firsts = {next((kind for kind in of_split if kind in kinds), None): s for s, of_split in SPLIT_KINDS.items()}
    return {kind: split for kind, split in firsts.items() if kind is not None}


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
    class_names = {str(index): name for index, name in enumerate(read_labels(name_files[0]))}
    unnamed = next((entry for entry in entries if entry.class_keys[0] not in class_names), None)
    if unnamed is not None:
        index = unnamed.class_keys[0]
        raise DataError(f"{path}: {unnamed.name}: {name_files[0].name} has no name for class index {index}")
    return Listing(entries=entries, class_order=tuple(class_names), class_names=class_names)
