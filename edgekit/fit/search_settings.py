"""The settings of a search, checked: with the images and the device, they determine it."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.errors import SpecError, check_types, must_be
from edgekit.fit.space import candidates
from edgekit.hub.imagenet_weights import IMAGENET
from edgekit.preprocess.spec import Preprocess

_MOST_HOURS = 1000
_ANY_PX = 224
_LARGEST = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """The settings of a search; `fit` describes them.

    Raises:
        SpecError: a value has the wrong type or is out of range.
    """

    data: str
    hours: float
    weights: tuple[str, ...]
    arguments: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    networks: tuple[str, ...]
    precisions: tuple[str, ...]
    val_fraction: float
    max_drop: float
    allow_leaks: bool
    seed: int

    def __post_init__(self) -> None:
        check_types(bool, allow_leaks=self.allow_leaks)
        _check_number("hours", self.hours, "above 0, at most 1000", 0 < _number(self.hours) <= _MOST_HOURS)
        _check_number("val_fraction", self.val_fraction, "from 0 to below 1", 0 <= _number(self.val_fraction) < 1)
        _check_number("max_drop", self.max_drop, "that is at least 0", 0 <= _number(self.max_drop) < math.inf)
        is_seed = isinstance(self.seed, int) and not isinstance(self.seed, bool) and 0 <= self.seed < 2**63
        if not is_seed:
            raise SpecError(must_be("seed", "an integer from 0 to 2^63 - 1", self.seed))
        self._check_weights()
        if not self.precisions:
            raise SpecError(must_be("precisions", "float32, int8 or both", self.precisions))
        # Names that are unknown are found before any image is read.
        candidates(classes=2, image_size=_ANY_PX, networks=self.networks, precisions=self.precisions)

    def _check_weights(self) -> None:
        check_types(Mapping, arguments=self.arguments, preprocess=self.preprocess)
        given = [name for name in ("arguments", "preprocess") if getattr(self, name)]
        if given and not any(entry != IMAGENET for entry in self.weights):
            raise SpecError(f"`{given[0]}` describes a weights file; name one with `weights`")
        Preprocess().with_changes(self.preprocess)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return dataclasses.asdict(self)


def names(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """A list of names as a tuple. Raises SpecError for anything else, such as a single name.

    Args:
        name: of the argument.
        values: the list.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(value, str | os.PathLike) for value in values):
        raise SpecError(must_be(name, "a list of names", values))
    return tuple(map(os.fspath, values))


def _number(value: object) -> float:
    """The value as a float; NaN, which no comparison accepts, if it is not a number or is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        return math.nan
    return float(value)


def _check_number(name: str, value: object, bounds: str, is_allowed: bool) -> None:
    if not is_allowed:
        raise SpecError(must_be(name, f"a number {bounds}", value))
