"""The class names of a classifier's scores: a background class, and the two classes of a single score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from edgekit.errors import SpecError, quote, unknown
from edgekit.labels import check_labels

Background: TypeAlias = Literal["first", "none"]

_IMAGENET_CLASSES = 1000  # many ImageNet networks of TensorFlow have a background class before these
_BACKGROUND_LABELS = frozenset({"background", "dummy"})


def head_labels(
    labels: Sequence[str], *, scores: int, background: Background | None, multi_label: bool
) -> tuple[tuple[str, ...], int, str | None]:
    """Match class names with the scores of a classifier.

    Args:
        labels: class names.
        scores: number of scores. A single one separates two classes.
        background: "first", "none", or None to infer it.
        multi_label: whether the scores are independent; a background class is not inferred then.

    Returns:
        One name for each logit, the index of the first score that has a name, and a note on what was inferred.

    Raises:
        SpecError: the number of names does not fit.
    """
    if background is not None and background not in get_args(Background):
        raise SpecError(unknown("background", background, get_args(Background)))
    if scores == 1:
        return _two_labels(labels, background)
    names = check_labels(labels)
    says_so = len(names) == scores and names[0].strip().strip("_").lower() in _BACKGROUND_LABELS
    is_imagenet = (scores, len(names)) == (_IMAGENET_CLASSES + 1, _IMAGENET_CLASSES)
    inferred = background is None and not multi_label and (says_so or is_imagenet)
    first = int(background == "first" or inferred)
    removed = quote(names[0]) if len(names) == scores else "which has no label"
    if first and len(names) == scores:
        names = names[1:]
    if scores - first != len(names):
        raise SpecError(_mismatch(scores, first, len(names)))
    note = f"class 0 ({removed}) is taken for a background class and removed; set `background` to 'none' to keep it"
    return names, first, note if inferred else None


def _two_labels(labels: Sequence[str], background: Background | None) -> tuple[tuple[str, ...], int, str]:
    if background == "first":
        raise SpecError("a single score has no background class; leave out `background`")
    names = check_labels(labels, least=1)
    if len(names) > 2:
        raise SpecError(
            f"`labels` must have the two names of the classes that the model's single score separates, or only that of "
            f"the class it is the score of (got {len(names)} names)"
        )
    names = (f"not {names[0]}", *names) if len(names) == 1 else names
    return names, 0, f"a single score x: the logits are 0 for {quote(names[0])} and x for {quote(names[1])}"


def _mismatch(scores: int, first: int, names: int) -> str:
    after = " after the background class" if first else ""
    hint = (
        "; if class 0 is a background class, set `background` to 'first'" if scores == names + 1 and not first else ""
    )
    return (
        f"`labels` must have one name for each of the model's {scores - first} classes{after} (got {names} names){hint}"
    )
