"""The common form into which every kind of data set is read, before splits are chosen and classes are numbered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Task

Split: TypeAlias = Literal["train", "val"]
Splits: TypeAlias = (
    "Collection[Split | None]"  # the splits whose images are to be read; for the others the names suffice
)


class Entry(NamedTuple):
    """One image of a data set.

    Attributes:
        split: None if the data set has no splits.
        class_keys: identify its classes: one folder name, label or number; of a multi-label data set, any number.
        name: of the image, for messages and reports.
        source: how to read the image; None if its split was not requested.
    """

    split: Split | None
    class_keys: tuple[str, ...]
    name: str
    source: ImageSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a data set, in order.

    Attributes:
        entries: one per image.
        class_order: keys of all classes in the order of their indexes, if the data set defines it; None to sort by key.
        class_names: display names by key, where they differ from the keys.
        empty_folders: class folders without images.
        left_out: names of splits that are not read: test, if there is a val split.
        task: "multi-label" if an image may have any number of classes.
    """

    entries: Sequence[Entry]
    class_order: tuple[str, ...] | None = None
    class_names: Mapping[str, str] = field(default_factory=dict)
    empty_folders: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    task: Task = "single-label"
