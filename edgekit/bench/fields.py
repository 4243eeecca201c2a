"""The fields of JSON objects from untrusted files, each checked when it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edgekit.errors import DataError, quote

_LONGEST = 200  # characters of a text
_MOST_TEXTS = 2000
_MOST = 1e15  # of any number


class Fields:
    """A JSON object whose fields are read by type.

    Every method raises DataError, which names the file and the field, for one that is absent or has another value.
    """

    def __init__(self, document: Mapping[str, Any], file: str, path: str = "") -> None:
        """Wrap an object. file: its name; path: of the object in the document, such as "models[0].golden."."""
        self._document, self._file, self._path = document, file, path

    def has(self, key: str) -> bool:
        """Whether the field is not null."""
        if key not in self._document:
            raise self.error(key, "is missing")
        return self._document[key] is not None

    def text(self, key: str, *, pattern: str = ".+", form: str = "") -> str:
        """A text of 1 to 200 characters. pattern, form: what it must match, and that in words."""
        value = self._value(key)
        if not isinstance(value, str) or len(value) > _LONGEST or not re.fullmatch(pattern, value, re.DOTALL):
            raise self._wrong(key, form or f"a text of 1 to {_LONGEST} characters")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self._value(key)
        if not isinstance(value, list) or len(value) > _MOST_TEXTS:
            raise self._wrong(key, f"a list of at most {_MOST_TEXTS} texts")
        if not all(isinstance(entry, str) and len(entry) <= _LONGEST for entry in value):
            raise self._wrong(key, f"a list of texts of at most {_LONGEST} characters")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def integer(self, key: str, *, least: int, most: int = int(_MOST)) -> int:
        """An integer within bounds."""
        value = self._value(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self._wrong(key, f"an integer from {least} to {most}")
        return value

    def number(self, key: str, *, positive: bool = False) -> float:
        """A number; positive: above 0."""
        value = self._value(key)
        if not _is_number(value, positive=positive):
            raise self._wrong(key, "a number above 0" if positive else "a number")
        return float(value)

    def positive_numbers(self, key: str, *, count: int) -> tuple[float, ...]:
        """A list of `count` numbers above 0."""
        value = self._value(key)
        if not isinstance(value, list) or len(value) != count or not all(_is_number(v, positive=True) for v in value):
            raise self._wrong(key, f"a list of {count} numbers above 0")
        return tuple(map(float, value))

    def object(self, key: str) -> Fields:
        """An object."""
        value = self._value(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Fields(value, self._file, f"{self._path}{key}.")

    def objects(self, key: str, *, most: int) -> tuple[Fields, ...]:
        """A list of objects."""
        value = self._value(key)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(entry, dict) for entry in value):
            raise self._wrong(key, f"a list of at most {most} objects")
        return tuple(Fields(entry, self._file, f"{self._path}{key}[{number}].") for number, entry in enumerate(value))

    def present_texts(self) -> dict[str, str]:
        """All fields that are not null, which must be texts."""
        return {key: self.text(key) for key in self._document if self.has(key)}

    def positive_values(self, *, most: int) -> dict[str, float]:
        """All fields, which must be numbers above 0. most: how many there may be."""
        if len(self._document) > most:
            raise DataError(f"{self._file}: {self._path[:-1]} has {len(self._document)} fields, more than {most}")
        return {key: self.number(key, positive=True) for key in self._document}

    def _value(self, key: str) -> Any:
        return self._document[key] if self.has(key) else None

    def error(self, key: str, problem: str) -> DataError:
        """An error about a field, to be raised."""
        return DataError(f"{self._file}: {quote(self._path + key)[1:-1]} {problem}")

    def _wrong(self, key: str, expected: str) -> DataError:
        return self.error(key, f"must be {expected} (got {quote(self._document[key])})")


def _is_number(value: object, *, positive: bool) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= _MOST and (value > 0 or not positive)
