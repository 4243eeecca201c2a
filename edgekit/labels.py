"""Class names: checking them, and matching those of a data set with those of a model."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import DataError, EdgekitError, SpecError, listed, must_be, quote, unknown


def check_labels(labels: Iterable[str], *, least: int = 2) -> tuple[str, ...]:
    """Return class names as a tuple.

    Args:
        labels: one name per class.
        least: fewest names that are accepted.

    Raises:
        SpecError: there are fewer, or `labels` is a string, whose letters would become the names.
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise SpecError(must_be("labels", "a list of class names", labels))
    names = tuple(labels)
    if len(names) < least:
        fewest = "two class names" if least == 2 else "one class name"
        raise SpecError(f"`labels` must contain at least {fewest} (got {quote(names)})")
    return names


def read_synonyms(values: Sequence[str]) -> dict[str, str]:
    """Read which label of a model each class of a data set corresponds to.

    Args:
        values: each is OLD=NEW, or the path of a CSV file in UTF-8 with two columns old,new and no header. OLD is a
            class of the data set, NEW a label of the model.

    Returns:
        NEW by OLD.

    Raises:
        DataError: a value is neither, or a file cannot be read.
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
            raise DataError(f"`synonyms` must be OLD=NEW or an existing CSV file of old,new (got {quote(value)})")
    return synonyms


def _read_synonym_table(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file in UTF-8: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(f"{path}: row {number} has {len(row)} columns; expected two: old,new")
    return {old.strip(): new.strip() for old, new in rows}


def rename_classes(classes: Sequence[str], labels: Collection[str], synonyms: Mapping[str, str]) -> tuple[str, ...]:
    """Replace class names of a data set by the labels that a model uses for them.

    Args:
        classes: of the data set.
        labels: of the model.
        synonyms: label of the model by class of the data set, where they differ.

    Returns:
        One name per class, in the same order.

    Raises:
        DataError: a synonym names an unknown class or label.
    """
    for old, new in synonyms.items():
        if old not in classes:
            raise DataError(f"`synonyms`: {unknown('class of the images', old, classes)}")
        if new not in labels:
            raise DataError(f"`synonyms`: {unknown('label of the model', new, labels)}")
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
    """Return the index of each name among the labels.

    Args:
        names: to look up.
        labels: to look them up in.
        owners: what messages call the owner of the names and the owner of the labels.
        subset: accept labels that no name matches, e.g. for a data set with some of a model's classes.
        used: names that must be unambiguous; all by default.
        error: class of the exception to raise.
        hint: what its message ends with.

    Returns:
        One index into `labels` per name.

    Raises:
        EdgekitError: of class `error`: a name or label has no counterpart, or a used name matches several labels.
    """
    if tuple(names) == tuple(labels):  # checked first, because names may repeat: ImageNet has two classes "crane"
        return tuple(range(len(labels)))
    counts, known = Counter(labels), Counter(names)
    only_names = [name for name in known if name not in counts]
    only_labels = [label for label in counts if label not in known]
    if only_names or (only_labels and not subset):
        sides = zip(owners, (only_names, only_labels), strict=True)
        differences = "; ".join(f"only in {owner}: {listed(map(quote, side))}" for owner, side in sides)
        raise error(f"the labels differ: {differences}{hint}")
    repeated = sorted(name for name in set(names if used is None else used) if counts[name] > 1)
    if repeated or (not subset and len(names) != len(labels)):
        owner, shared = (owners[1], repeated) if repeated else (owners[0], [name for name in known if known[name] > 1])
        raise error(f"{owner} has several labels {listed(map(quote, shared))}, so labels cannot be matched by name")
    index = {label: number for number, label in enumerate(labels)}
    return tuple(index[name] for name in names)
