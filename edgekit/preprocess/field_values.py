"""The values that the fields of a `Preprocess` may have: short forms completed, everything else refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.errors import SpecError, must_be, quote, unknown
from edgekit.image.color_modes import Color
from edgekit.image.size import Size

# Of a crop and of a resized image, in pixels: far above any real network; larger values would exhaust memory.
MAX_EXTENT = 4096
# On the 0-1 scale, statistics of images lie well inside these bounds; on another scale, outside.
_BOUNDS = {"mean": (-1.0, 1.0), "std": (1 / 1024, 4.0)}
_BOUNDS_TEXT = {"mean": "-1 to 1", "std": "1/1024 to 4"}


def statistics(name: str, value: object, color: Color) -> tuple[float, ...]:
    """The mean or std of each channel on a 0-1 scale.

    Args:
        name: "mean" or "std".
        value: a number, which stands for every channel, or one number for each.
        color: the channels.

    Raises:
        SpecError: it is not such a value. Of values that fit when divided by 255, the message names the quotients.
    """
    values = (value,) if _is_number(value) else value
    if not isinstance(values, Sequence) or isinstance(values, str) or not all(map(_is_number, values)):
        raise SpecError(must_be(name, "a number, or one for each channel", value))
    if len(values) == 1:
        values = tuple(values) * len(color)
    try:
        per_channel = tuple(float(v) for v in values)
    except OverflowError:  # an integer beyond all floats
        per_channel = (math.inf,)
    if len(per_channel) != len(color) or not all(map(math.isfinite, per_channel)):
        raise SpecError(must_be(name, f"{len(color)} finite numbers for {color}", value))
    if not _within_bounds(name, per_channel):
        message = must_be(name, f"on a 0-1 scale, {_BOUNDS_TEXT[name]}", value)
        divided = tuple(float(f"{v / 255:.6g}") for v in per_channel)
        if _within_bounds(name, divided):
            message += f"; 0-255 values must be divided by 255, which gives {quote(divided)}"
        raise SpecError(message)
    return per_channel


def fill_value(value: object, color: Color) -> tuple[int, ...]:
    """The color outside the image, 0 to 255 for each channel; one integer stands for every channel."""
    values = (value,) if isinstance(value, int) else value
    if not isinstance(values, Sequence) or not all(is_count(v, least=0, most=255) for v in values):
        raise SpecError(must_be("fill", "an integer from 0 to 255, or one for each channel", value))
    if len(values) not in (1, len(color)):
        raise SpecError(must_be("fill", f"one integer, or {len(color)} for {color}", value))
    return tuple(values) * (len(color) // len(values))


def size_value(name: str, value: object) -> Size:
    """A Size from an integer (a square) or a (height, width) pair."""
    pair = (value, value) if isinstance(value, int) else value
    fits = isinstance(pair, Sequence) and len(pair) == 2 and all(is_count(v, least=1, most=MAX_EXTENT) for v in pair)
    if not isinstance(pair, Sequence) or not fits:
        raise SpecError(must_be(name, f"1 to {MAX_EXTENT} pixels, or (height, width) of such", value))
    return Size(*pair)


def check_known(name: str, value: object, known: Sequence[str]) -> None:
    """Raises SpecError if the value of the field is not one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise SpecError(unknown(name, value, known))


def is_count(value: object, *, least: int, most: int) -> bool:
    """Whether the value is an integer from `least` to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within_bounds(name: str, values: tuple[float, ...]) -> bool:
    low, high = _BOUNDS[name]
    return low <= min(values) and max(values) <= high
