"""Which parts of a picture a network looks at: geometry only, before any pixel is resampled.

A plan is data. `plan.views(size, preprocess)` says, for a picture of that size, to which size the whole picture is
resized and which boxes of it are cut; `preprocess.pixels` then cuts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from edgekit.errors import SpecError, unknown
from edgekit.image import Size


class Geometry(Protocol):
    """What of a Preprocess decides the geometry: short edge and padding in pixels, and the crop's size."""

    @property
    def resize(self) -> int: ...
    @property
    def pad(self) -> int: ...
    @property
    def crop(self) -> Size: ...


class Box(NamedTuple):
    """Half-open box [top, bottom) x [left, right) in pixels of the resized picture; outside of it lies black."""

    top: int
    left: int
    bottom: int
    right: int


class View(NamedTuple):
    """One look at a picture: resize the whole to `resize`, cut `box`, then mirror left-right if `mirrored`."""

    resize: Size
    box: Box
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class CropPlan:
    """A named set of views: `places` are corners or the center, each also mirrored where `mirrored`."""

    name: str
    places: tuple[str, ...]
    mirrored: bool

    def views(self, size: Size, geometry: Geometry) -> tuple[View, ...]:
        """The views of a picture of `size`, unmirrored ones first, in the order of `places`."""
        resized = resized_size(size, geometry)
        plain = tuple(View(resized, _box(place, resized, geometry)) for place in self.places)
        return plain + tuple(view._replace(mirrored=True) for view in plain) if self.mirrored else plain

    def __len__(self) -> int:
        return len(self.places) * (2 if self.mirrored else 1)


_FIVE = ("top_left", "top_right", "bottom_left", "bottom_right", "center")  # AlexNet paper, section 4.1

PLANS = {
    plan.name: plan
    for plan in (
        CropPlan("center", ("center",), mirrored=False),
        CropPlan("flip", ("center",), mirrored=True),
        CropPlan("five", _FIVE, mirrored=False),
        CropPlan("ten", _FIVE, mirrored=True),
    )
}
_ALIASES = {"1": "center", "2": "flip", "5": "five", "10": "ten"}


def plan_named(name: str | int | CropPlan) -> CropPlan:
    """The plan of that name; 1, 2, 5 and 10 are aliases of center, flip, five and ten.

    Raises SpecError for an unknown name.
    """
    if isinstance(name, CropPlan):
        return name
    key = _ALIASES.get(str(name), str(name))
    if key not in PLANS:
        raise SpecError(unknown("crop plan", str(name), (*PLANS, *_ALIASES)))
    return PLANS[key]


def resized_size(size: Size, geometry: Geometry) -> Size:
    """The size of the whole picture after resizing: short edge = resize, long edge truncated.

    Where the crop would not fit even with the padding (a crop that is not square), the picture is enlarged until it
    does: a picture smaller than the crop is no error.
    """
    short = min(size)
    resized = Size(*(geometry.resize * extent // short for extent in size))
    missing = [(crop - 2 * geometry.pad, extent) for crop, extent in zip(geometry.crop, resized, strict=True)]
    if all(needed <= extent for needed, extent in missing):
        return resized
    # Exact fractions: scale by the dimension that lacks most, rounding up so that the crop is covered.
    needed, extent = max(missing, key=lambda pair: pair[0] / pair[1])
    return Size(*(-(-side * needed // extent) for side in resized))


def _box(place: str, resized: Size, geometry: Geometry) -> Box:
    """The crop's box: corners of the padded picture, or its center, offset round((extent - crop) / 2) half to even."""
    pad, crop = geometry.pad, geometry.crop
    free = Size(resized.height + 2 * pad - crop.height, resized.width + 2 * pad - crop.width)
    if place == "center":
        top, left = round(free.height / 2), round(free.width / 2)
    else:
        vertical, horizontal = place.split("_")
        top = 0 if vertical == "top" else free.height
        left = 0 if horizontal == "left" else free.width
    return Box(top - pad, left - pad, top - pad + crop.height, left - pad + crop.width)
