"""Checked access to the values of a configuration that comes from an untrusted file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import ArtifactError, quote
from edgekit.preprocess.field_values import MAX_EXTENT


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a configuration by their keys; every getter checks the type. A null value counts as absent.

    Args:
        values: the parsed document.
        name: what messages call it: the file's name.
    """

    values: Mapping[str, Any]
    name: str

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def error(self, key: str, expected: str) -> ArtifactError:
        """The error for a value that is not what it must be."""
        return ArtifactError(f"{self.name}: {key} must be {expected} (got {quote(self.values.get(key))})")

    def refusal(self, reason: str) -> ArtifactError:
        """The error for a configuration whose preprocessing edgekit cannot reproduce."""
        return ArtifactError(f"{self.name}: cannot be reproduced: {reason}")

    def text(self, key: str) -> str | None:
        """A string."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, "a text")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false if absent."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "true or false")
        return bool(value)

    def extent(self, key: str) -> int | None:
        """A number of pixels."""
        value = self.values.get(key)
        if value is not None and not _is_extent(value):
            raise self.error(key, f"an integer from 1 to {MAX_EXTENT} pixels")
        return value

    def extents(self, key: str, *, count: int) -> tuple[int, ...] | None:
        """A list of this many numbers of pixels."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or len(value) != count or not all(map(_is_extent, value)):
            raise self.error(key, f"{count} integers from 1 to {MAX_EXTENT}")
        return tuple(value)

    def number(self, key: str) -> float | None:
        """A factor or a share: a number from 1/4096 to 4096."""
        value = self.values.get(key)
        if value is not None and not (_is_number(value) and 1 / MAX_EXTENT <= value <= MAX_EXTENT):
            raise self.error(key, f"a number from 1/{MAX_EXTENT} to {MAX_EXTENT}")
        return value

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """One finite number, or one for each of 1 to 4 channels."""
        value = self.values.get(key)
        if value is None:
            return None
        values = value if isinstance(value, list | tuple) else [value]
        if not 1 <= len(values) <= 4 or not all(map(_is_number, values)):
            raise self.error(key, "a number, or one for each channel")
        return tuple(map(float, values))

    def part(self, key: str) -> Document | None:
        """A nested object."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise self.error(key, "an object")
        return None if value is None else Document(value, f"{self.name}: {key}")

    def with_defaults(self, defaults: Mapping[str, Any]) -> Document:
        """The document with other values where it has none."""
        return Document(
            {**defaults, **{key: value for key, value in self.values.items() if value is not None}}, self.name
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(_as_float(value))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf


def _is_extent(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_EXTENT
