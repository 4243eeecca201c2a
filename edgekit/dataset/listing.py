"""What every form of data set is read into before its images are split and their classes numbered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from edgekit.image.source import ImageSource

Split: TypeAlias = Literal["train", "val"]
Splits: TypeAlias = "Collection[Split | None]"  # those whose images are to be read; of the others the names suffice


class Entry(NamedTuple):
    """One image: its split (None if the data has no splits), class, name, and how to read it.

    source: None if its split is not to be read.
    """

    split: Split | None
    class_key: str
    name: str
    source: ImageSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a data set, in their order.

    class_order: the keys of all classes, if the data defines it; by default they are sorted by name. class_names: the
    names for people, by key, if they differ from the keys. empty_folders: class folders without an image.
    """

    entries: Sequence[Entry]
    class_order: tuple[str, ...] | None = None
    class_names: Mapping[str, str] = field(default_factory=dict)
    empty_folders: tuple[str, ...] = ()
