"""Class names: read from files, checked, renamed, matched between a data set and models."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import DataError, EdgekitError, SpecError, listed, unknown

_MAX_LABELS_BYTES = 2**24


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
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
            synonyms |= _read_synonym_table(path)
        else:
            raise DataError(f"--map {value!r}: neither OLD=NEW nor a file")
    return synonyms


def _read_synonym_table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(f"{path}: row {number} has {len(row)} columns; write old,new")
    return {old.strip(): new.strip() for old, new in rows}


def rename_classes(classes: Sequence[str], labels: Collection[str], synonyms: Mapping[str, str]) -> tuple[str, ...]:
    """The classes of a data set by their names in the model. Raises DataError for a synonym that matches nothing."""
    for old, new in synonyms.items():
        if old not in classes:
            raise DataError(f"--map: {unknown('class of the images', old, classes)}")
        if new not in labels:
            raise DataError(f"--map: {unknown('label of the model', new, labels)}")
    return tuple(synonyms.get(name, name) for name in classes)


def match_labels(
    names: Sequence[str],
    labels: Sequence[str],
    *,
    owners: tuple[str, str] = ("the first model", "the second model"),
    subset: bool = False,
    used: Collection[str] | None = None,
    error: type[EdgekitError] = DataError,
    hint: str = "",
) -> tuple[int, ...]:
    """The index of each name among the labels.

    owners: what has the names and what has the labels, for messages. subset: there may be labels without a name, as
    where a data set has some of a model's classes. used: the names that must be unambiguous; all by default. Raises
    `error`, with `hint` behind it, for names that only one side has and for a used name that several labels share.
    """
    if tuple(names) == tuple(labels):  # before all else: ImageNet has two classes called "crane"
        return tuple(range(len(labels)))
    counts, known = Counter(labels), Counter(names)
    only_names = [name for name in known if name not in counts]
    only_labels = [label for label in counts if label not in known]
    if only_names or (only_labels and not subset):
        sides = zip(owners, (only_names, only_labels), strict=True)
        differences = "; ".join(f"only in {owner}: {listed(map(repr, side))}" for owner, side in sides)
        raise error(f"the labels differ: {differences}{hint}")
    repeated = sorted(name for name in set(names if used is None else used) if counts[name] > 1)
    if repeated or (not subset and len(names) != len(labels)):
        owner, shared = (owners[1], repeated) if repeated else (owners[0], [name for name in known if known[name] > 1])
        raise error(f"{owner} has several labels {listed(map(repr, shared))}, so they cannot be matched by name")
    index = {label: number for number, label in enumerate(labels)}
    return tuple(index[name] for name in names)
