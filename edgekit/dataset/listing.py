"""What every form of data set comes to before it is split and numbered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from edgekit.image.source import ImageSource

Split: TypeAlias = Literal["train", "val"]
Wanted: TypeAlias = "Callable[[Split | None], bool]"  # whether the pictures of that split need be read


class Entry(NamedTuple):
    """One picture: the split it was found in (None where the data has no splits), class, name, and how to read it.

    source: None where its split is not wanted.
    """

    split: Split | None
    class_key: str
    name: str
    source: ImageSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The pictures of a data set, in their order.

    order: the keys of all classes, where the data says it; else they are in the order of their names. titles: names of
    the classes for people, by key, where they are not the keys. empty: places that should hold a class's pictures and
    hold none.
    """

    entries: Sequence[Entry]
    order: tuple[str, ...] | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
