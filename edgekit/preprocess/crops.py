"""Which parts of an image a network rules at: geometry only, before any pixel is resampled.

A plan is data: a row of rules, which hold for images of any size. `plan.views(size, preprocess)` says, for an image
of that size, to which size the whole image is resized and which boxes of it are cut; `preprocess.pixels` then cuts
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from edgekit.errors import SpecError, unknown
from edgekit.image.size import Size
from edgekit.preprocess.scores import Average, Floats, averaged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Fit: TypeAlias = Literal["resize", "cover", "inside", "stretch"]


class Geometry(Protocol):
    """What of a Preprocess decides the geometry: short edge and padding in pixels, and the crop's size."""

    @property
    def resize(self) -> int: ...
    @property
    def pad(self) -> int: ...
    @property
    def crop(self) -> Size: ...


class Box(NamedTuple):
    """Half-open box [top, bottom) x [left, right) in pixels of the resized image; outside of it lies black."""

    top: int
    left: int
    bottom: int
    right: int


class View(NamedTuple):
    """One view of one image: resize the whole to `resize`, cut `box`, then mirror left-right if `mirrored`."""

    resize: Size
    box: Box
    mirrored: bool = False


class ViewRule(NamedTuple):
    """A view of images of any size.

    fit: what the whole image is resized to. `resize`: the short edge that the preprocessing says, times `zoom`;
    `cover`: the smallest size that fills the crop; `inside`: the largest that lies in the crop, with black around it;
    `stretch`: the crop, whatever becomes of the proportions. down, across: where the crop lies, 0 at the top or left, 1
    at the bottom or right. part: where given, the crop lies so in the largest part of the resized image that has the
    crop's proportions, and that part lies at `part` of what it leaves free (0 top or left, 1 bottom or right).
    """

    fit: Fit = "resize"
    zoom: float = 1.0
    down: float = 0.5
    across: float = 0.5
    part: float | None = None
    mirrored: bool = False

    def view(self, size: Size, geometry: Geometry) -> View:
        """The view of an image of `size`."""
        resized = self._resized(size, geometry)
        return View(resized, self._box(resized, geometry), self.mirrored)

    def _resized(self, size: Size, geometry: Geometry) -> Size:
        if self.fit == "resize":
            return resized_size(size, geometry, zoom=self.zoom)
        content = Size(*(max(1, extent - 2 * geometry.pad) for extent in geometry.crop))
        if self.fit == "stretch":
            return content
        pairs = tuple(zip(content, size, strict=True))
        if self.fit == "cover":
            return _enlarged(size, *max(pairs, key=_ratio))
        needed, extent = min(pairs, key=_ratio)
        return Size(*(max(1, side * needed // extent) for side in size))

    def _box(self, resized: Size, geometry: Geometry) -> Box:
        """Offsets are round((extent - crop) * share), half to even, within the padded image."""
        pad, crop = geometry.pad, geometry.crop
        room, top, left = Size(resized.height + 2 * pad, resized.width + 2 * pad), -pad, -pad
        if self.part is not None:
            part = _largest_part(room, crop)
            top += round((room.height - part.height) * self.part)
            left += round((room.width - part.width) * self.part)
            room = part
        top += round((room.height - crop.height) * self.down)
        left += round((room.width - crop.width) * self.across)
        return Box(top, left, top + crop.height, left + crop.width)


@dataclass(frozen=True, slots=True)
class CropPlan:
    """A named row of rules, all of which are averaged."""

    name: str
    rules: tuple[ViewRule, ...]

    def views(self, size: Size, geometry: Geometry) -> tuple[View, ...]:
        """The views of an image of `size`, in the order of the rules; small images may give equal ones."""
        return tuple(rule.view(size, geometry) for rule in self.rules)

    def steps(self, size: Size, geometry: Geometry) -> tuple[tuple[View, ...], ...]:
        """The views that are run together before the plan is asked whether they are enough: all of them."""
        return (self.views(size, geometry),)

    def is_sure(self, logits: Floats) -> bool:
        """Whether the logits of the first steps are enough: there is one step."""
        return True

    def probabilities(self, logits: Floats, average: Average = "probabilities") -> npt.NDArray[np.float64]:
        """(views, classes) logits to (classes,) probabilities."""
        return averaged(logits, average)

    def __len__(self) -> int:
        return len(self.rules)


def mirrored(rules: tuple[ViewRule, ...]) -> tuple[ViewRule, ...]:
    """The same rules, mirrored left-right."""
    return tuple(rule._replace(mirrored=not rule.mirrored) for rule in rules)


_CENTER = (ViewRule(),)
_FIVE = (*(ViewRule(down=down, across=across) for down, across in product((0.0, 1.0), repeat=2)), *_CENTER)
_SCALES = (1.0, 1.125, 1.25, 1.375)  # short edges of 256, 288, 320 and 352 where the network's own is 256


def _multi_scale() -> tuple[ViewRule, ...]:
    """At each scale, of the left, middle and right (or top, middle and bottom) square, its 5 crops and the whole of it.

    The whole square, resized to the crop, is the same at every scale; it counts four times, as in the paper.
    """
    rules: list[ViewRule] = []
    for zoom, part in product(_SCALES, (0.0, 0.5, 1.0)):
        rules += [rule._replace(zoom=zoom, part=part) for rule in _FIVE]
        rules.append(ViewRule(fit="cover", down=part, across=part))
    return (*rules, *mirrored(tuple(rules)))


PLANS = {
    plan.name: plan
    for plan in (
        CropPlan("center", _CENTER),
        CropPlan("flip", (*_CENTER, *mirrored(_CENTER))),
        CropPlan("five", _FIVE),
        CropPlan("ten", (*_FIVE, *mirrored(_FIVE))),  # AlexNet paper, section 4.1
        CropPlan("wide", (ViewRule(fit="cover"),)),
        CropPlan("whole", (ViewRule(fit="inside"),)),
        CropPlan("multi-scale", _multi_scale()),  # GoogLeNet paper, section 7: 144 crops
    )
}
_ALIASES = {"1": "center", "2": "flip", "5": "five", "10": "ten", "144": "multi-scale"}
_GRID = re.compile(r"grid:([1-9]\d?)x([1-9]\d?)", re.ASCII)
_MAX_GRID = 16


def plan_named(name: str | int | CropPlan) -> CropPlan:
    """The plan of that name; 1, 2, 5, 10 and 144 are aliases of center, flip, five, ten and multi-scale.

    `grid:RxC` is R rows of C crops, spread evenly over the image. Raises SpecError for an unknown name.
    """
    if isinstance(name, CropPlan):
        return name
    key = _ALIASES.get(str(name), str(name))
    if key in PLANS:
        return PLANS[key]
    grid = _GRID.fullmatch(key)
    if grid is None:
        raise SpecError(unknown("crop plan", str(name), (*PLANS, *_ALIASES, "grid:3x3")))
    rows, columns = int(grid[1]), int(grid[2])
    if max(rows, columns) > _MAX_GRID:
        raise SpecError(f"crop plan {key!r}: a grid has at most {_MAX_GRID} rows and columns")
    return CropPlan(key, tuple(ViewRule(down=d, across=a) for d, a in product(_spread(rows), _spread(columns))))


def _spread(count: int) -> tuple[float, ...]:
    """`count` places from one end, 0, to the other, 1; one alone stands in the middle."""
    return tuple(step / (count - 1) for step in range(count)) if count > 1 else (0.5,)


def resized_size(size: Size, geometry: Geometry, *, zoom: float = 1.0) -> Size:
    """The size of the whole image after resizing: short edge = resize * zoom, long edge truncated.

    Where the crop would not fit even with the padding (a crop that is not square), the image is enlarged until it
    does: an image smaller than the crop is no error.
    """
    short = min(size)
    resized = Size(*(round(geometry.resize * zoom) * extent // short for extent in size))
    missing = [(crop - 2 * geometry.pad, extent) for crop, extent in zip(geometry.crop, resized, strict=True)]
    if all(needed <= extent for needed, extent in missing):
        return resized
    return _enlarged(resized, *max(missing, key=_ratio))


def _ratio(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1]


def _enlarged(size: Size, needed: int, extent: int) -> Size:
    """`size` times needed / extent, in exact fractions and rounded up, so that the crop is covered."""
    return Size(*(-(-side * needed // extent) for side in size))


def _largest_part(room: Size, crop: Size) -> Size:
    """The largest part of `room` that has the crop's proportions, and never less than the crop."""
    if room.height * crop.width <= room.width * crop.height:
        return Size(room.height, max(crop.width, room.height * crop.width // crop.height))
    return Size(max(crop.height, room.width * crop.height // crop.width), room.width)
