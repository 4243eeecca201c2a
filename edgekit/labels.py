"""Class names: checking them, and matching those of a data set with those of a model."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from edgekit.errors import DataError, EdgekitError, SpecError, listed, must_be, quote, unknown

_MOST_PAIRS = 3
# Blanks, hyphens, underscores; what is invisible: soft hyphens, zero-width spaces and joiners, marks of direction.
_IGNORED = re.compile("[\\s_\u00ad\u200b-\u200f\u2060\ufeff-]+")


def similar_names(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of different names that are equal but for case, blanks, hyphens, underscores or invisible marks.

    Args:
        names: of classes.

    Example:
        >>> from edgekit.labels import similar_names
        >>> similar_names(["Cat", "dog", "cat", "hot dog", "cat "])
        [('Cat', 'cat', 'cat ')]
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[_comparable(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def similar_pairs(names: Iterable[str], others: Iterable[str]) -> list[tuple[str, str]]:
    """Return each name that is similar to one of the others, with the first of them; similar as in `similar_names`.

    Args:
        names: of classes, none of which is among the others.
        others: the names to compare them with.
    """
    by_form: dict[str, str] = {}
    for other in others:
        by_form.setdefault(_comparable(other), other)
    return [(name, by_form[form]) for name in names if (form := _comparable(name)) in by_form]


def _comparable(name: str) -> str:
    """The name without what people often write differently; the name itself if nothing else is in it."""
    composed = unicodedata.normalize("NFC", name)
    return _IGNORED.sub("", composed).casefold() or composed


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
    classes, labels = _composed(classes), _composed(labels)
    synonyms = dict(zip(_composed(synonyms), _composed(synonyms.values()), strict=True))
    for old, new in synonyms.items():
        if old not in classes:
            raise DataError(f"`synonyms`: {unknown('class of the images', old, classes)}")
        if new not in labels:
            raise DataError(f"`synonyms`: {unknown('label of the model', new, labels)}")
    return tuple(synonyms.get(name, name) for name in classes)


def _composed(names: Iterable[str]) -> tuple[str, ...]:
    """The names in Unicode's composed form (NFC), in which equal names are equal texts."""
    return tuple(unicodedata.normalize("NFC", name) for name in names)


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
    """Return the index of each name among the labels. Unicode's composed and decomposed forms are equal.

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
    names, labels = _composed(names), _composed(labels)
    if names == labels:  # checked first, because names may repeat: ImageNet has two classes "crane"
        return tuple(range(len(labels)))
    counts, known = Counter(labels), Counter(names)
    only_names = [name for name in known if name not in counts]
    only_labels = [label for label in counts if label not in known]
    if only_names or (only_labels and not subset):
        sides = zip(owners, (only_names, only_labels), strict=True)
        differences = [f"only in {owner}: {listed(map(quote, side))}" for owner, side in sides]
        pairs = [f"{quote(name)} may be {quote(label)}" for name, label in similar_pairs(only_names, only_labels)]
        differences += [listed(pairs, most=_MOST_PAIRS)] if pairs else []
        raise error(f"the labels differ: {'; '.join(differences)}{hint}")
    repeated = sorted(name for name in set(names if used is None else _composed(used)) if counts[name] > 1)
    if repeated or (not subset and len(names) != len(labels)):
        owner, shared = (owners[1], repeated) if repeated else (owners[0], [name for name in known if known[name] > 1])
        raise error(f"{owner} has several labels {listed(map(quote, shared))}, so labels cannot be matched by name")
    index = {label: number for number, label in enumerate(labels)}
    return tuple(index[name] for name in names)
