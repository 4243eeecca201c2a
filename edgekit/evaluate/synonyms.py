"""Names that differ between a data set and a model."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from edgekit.errors import DataError


def read_synonyms(values: Sequence[str]) -> dict[str, str]:
    """The model's label by the data's class, of values OLD=NEW or files.

    A file is a CSV in UTF-8 of two columns, old,new, without a header. Raises DataError for what is neither.
    """
    synonyms: dict[str, str] = {}
    for value in values:
        path = Path(value)
        old, equals, new = value.partition("=")
        if equals and not path.is_file():
            synonyms[old.strip()] = new.strip()
        elif path.is_file():
            synonyms |= _read(path)
        else:
            raise DataError(f"--map {value!r}: neither OLD=NEW nor a file")
    return synonyms


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(f"{path}: row {number} has {len(row)} columns; write old,new")
    return {old.strip(): new.strip() for old, new in rows}
