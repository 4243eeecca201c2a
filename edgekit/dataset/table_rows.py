"""The rows of a CSV table: encoding, separator and columns, before anything is taken to be a label."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from edgekit.errors import DataError, quote
from edgekit.files import read_regular_file

_MAX_BYTES = 2**28
_SEPARATORS = (",", ";", "\t")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Row(NamedTuple):
    """One row: the number of its last line, and its values by column, without surrounding blanks."""

    line: int
    values: Mapping[str, str]


def read_rows(path: Path, *, file_columns: Collection[str], known: Collection[str]) -> list[Row]:
    """Read all rows below the header.

    The values are separated by commas, semicolons or tabs: by what makes one of the columns of the header that of the
    file names. They are in Unicode's composed form (NFC), so that equal names are equal texts.

    Args:
        path: CSV file in UTF-8, or UTF-16 with a byte order mark.
        file_columns: the names that the column of the file names may have.
        known: column names that are read in any case; all others are names of classes.

    Raises:
        DataError: the file cannot be read, is in another encoding, has no rows, or one with too many or few columns; or
            two columns have the same name, or one has none.
    """
    lines = io.StringIO(_text(path), newline="")
    header_line = lines.readline()
    separator = next((s for s in _SEPARATORS if _has_column(header_line, s, file_columns)), ",")
    lines.seek(0)
    try:
        reader = csv.DictReader(lines, delimiter=separator, strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{path}: not a readable CSV file: {error}") from None
    if not rows:
        raise DataError(f"{path}: lists no images")
    names = [_column_name(name, known) for name in reader.fieldnames or ()]
    repeated = sorted({name for name in names if names.count(name) > 1 or not name})
    if repeated:
        raise DataError(f"{path}: every column must have a name of its own (got {quote(repeated[0])} in line 1)")
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path}: line {line} does not have as many columns as the first line")
    return [Row(line, {_column_name(n, known): value.strip() for n, value in row.items()}) for line, row in rows]


def _text(path: Path) -> str:
    data = read_regular_file(path, max_bytes=_MAX_BYTES, error=DataError)
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"byte {quote(data[error.start : error.start + 1])} at position {error.start}"
        raise DataError(f"{path}: not a CSV file in UTF-8 ({reason}); save it in UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: not a CSV file in UTF-8 (it has NUL characters); save it in UTF-8")
    return unicodedata.normalize("NFC", text)


def _has_column(header: str, separator: str, names: Collection[str]) -> bool:
    return any(name.strip(' "\r\n').lower() in names for name in header.split(separator))


def _column_name(name: str, known: Collection[str]) -> str:
    """The name in lower case, except that of a class."""
    return name.strip().lower() if name.strip().lower() in known else name.strip()
