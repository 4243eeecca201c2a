"""Class names from a text file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from edgekit.errors import DataError, SpecError

_MAX_LABELS_BYTES = 2**24


def checked_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Two or more class names. Raises SpecError for fewer, and for a text, whose letters would be taken for names."""
    if isinstance(labels, str | bytes):
        raise SpecError(f"labels must be a list of class names, not the text {labels!r:.100}")
    names = tuple(labels)
    if len(names) < 2:
        raise SpecError(f"a classifier tells one class of several, but labels has {len(names)}: {names!r:.100}")
    return names


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Class names, one a line, in the order of the logits. Raises DataError for an empty line or a strange file."""
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(_MAX_LABELS_BYTES)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{name}: not a UTF-8 text file of class names") from None
    labels = tuple(line.strip() for line in text.splitlines())
    if not labels or not all(labels):
        empty = labels.index("") + 1 if "" in labels else 1
        raise DataError(f"{name}: line {empty} has no class name; give one name a line, in the order of the logits")
    return labels
