"""Which parts of an image the network sees: geometry only, before any pixel is resampled.

A plan is data: a sequence of rules that hold for images of any size. `plan.views(size, preprocess)` turns them into the
views of one image: to which size the whole image is resized, and which boxes of it are cut. `Preprocess.pixels` then
cuts them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from edgekit.errors import SpecError, must_be, unknown
from edgekit.image.size import Size
from edgekit.preprocess.geometry import (
    Geometry,
    content_size,
    covering_size,
    crop_offset,
    inner_size,
    resized_size,
)
from edgekit.preprocess.scores import Average, Floats, Task, averaged, with_temperature

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Fit: TypeAlias = Literal["resize", "cover", "inside", "stretch"]
_FITS = get_args(Fit)


class Box(NamedTuple):
    """Half-open box [top, bottom) x [left, right) in pixels of the resized image; outside the image is `fill`."""

    top: int
    left: int
    bottom: int
    right: int


class View(NamedTuple):
    """One view of one image: resize the whole image to `resize`, cut `box`, mirror it left-right if `mirrored`."""

    resize: Size
    box: Box
    mirrored: bool = False


class ViewRule(NamedTuple):
    """One view of an image of any size.

    Attributes:
        fit: size to which the whole image is resized. `resize`: by the preprocessing's own fit, its `resize` times
            `zoom`; `cover`: the smallest size that fills the crop; `inside`: the largest that fits into the crop, with
            the color `fill` around it; `stretch`: exactly the crop, which changes the proportions. To a network whose
            preprocessing squashes, every image has the proportions of its `resize`; cover and inside keep those.
        zoom: factor on the preprocessing's `resize`, for `resize`.
        down: vertical position of the crop, from 0 (top) to 1 (bottom).
        across: horizontal position of the crop, from 0 (left) to 1 (right). Along an axis where the image is shorter
            than the crop (letterbox, for example), it lies in the middle, whatever `down` and `across`.
        part: None, or the position (0 top or left, 1 bottom or right) of the largest part of the resized image that has
            the crop's proportions; `down` and `across` then refer to that part.
        mirrored: whether the view is mirrored left-right.
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
        content = content_size(geometry)
        if self.fit == "stretch":
            return content
        if geometry.fit == "squash" and isinstance(geometry.resize, Size):
            size = geometry.resize  # to such a network, every image has these proportions
        if self.fit == "cover":
            return covering_size(size, content)
        if geometry.fit == "letterbox":
            return inner_size(size, content)
        needed, extent = min(zip(content, size, strict=True), key=lambda pair: pair[0] / pair[1])
        return Size(*(max(1, side * needed // extent) for side in size))

    def _box(self, resized: Size, geometry: Geometry) -> Box:
        """Offsets are those of `crop_offset` within the padded image."""
        pad, crop = geometry.pad, geometry.crop
        room, top, left = Size(resized.height + 2 * pad, resized.width + 2 * pad), -pad, -pad
        if self.part is not None:
            part = _largest_part(room, crop)
            top += crop_offset(room.height - part.height, self.part, geometry)
            left += crop_offset(room.width - part.width, self.part, geometry)
            room = part
        top += crop_offset(room.height - crop.height, self.down, geometry)
        left += crop_offset(room.width - crop.width, self.across, geometry)
        return Box(top, left, top + crop.height, left + crop.width)


@dataclass(frozen=True, slots=True, repr=False)
class CropPlan:
    """A named sequence of views, whose scores are averaged. `plan_named` returns the usual ones.

    Args:
        name: what messages and reports call the plan.
        rules: one rule for each view.

    Raises:
        SpecError: there is no rule, or one that is not possible.

    Example:
        >>> from edgekit import CropPlan, Preprocess, Size, plan_named
        >>> top_half = CropPlan("top-half", plan_named("grid:2x2").rules[:2])
        >>> [view.box.left for view in top_half.views(Size(480, 640), Preprocess())]
        [0, 117]
    """

    name: str
    rules: tuple[ViewRule, ...]

    def __post_init__(self) -> None:
        if not (isinstance(self.rules, tuple) and self.rules):
            raise SpecError(must_be("rules", "a tuple of one or more ViewRules", self.rules))
        for rule in self.rules:
            if not _is_possible(rule):
                raise SpecError(must_be("rules", "ViewRules with a known fit, zoom > 0 and positions 0 to 1", rule))

    def views(self, size: Size, geometry: Geometry) -> tuple[View, ...]:
        """The views of an image, in the order of the rules. Those of a small image may be equal.

        Args:
            size: size of the upright image.
            geometry: the model's Preprocess.
        """
        return tuple(rule.view(size, geometry) for rule in self.rules)

    def steps(self, size: Size, geometry: Geometry) -> tuple[tuple[View, ...], ...]:
        """The views that are run before `is_sure` is asked whether they suffice: all of them.

        Args:
            size: size of the upright image.
            geometry: the model's Preprocess.
        """
        return (self.views(size, geometry),)

    def is_sure(self, logits: Floats) -> bool:
        """Whether the views that were run suffice: always, because they are all there are.

        Args:
            logits: float32 (views, classes).
        """
        return True

    def probabilities(
        self,
        logits: Floats,
        average: Average = "probabilities",
        *,
        temperature: float | None = None,
        task: Task = "single-label",
    ) -> npt.NDArray[np.float64]:
        """Probabilities of one image, float64 (classes,).

        Args:
            logits: float32 (views, classes).
            average: what is averaged over the views, "probabilities" or "logits".
            temperature: the model's; it scales the average, which keeps the order of the classes. None for none.
            task: the model's.
        """
        mean = averaged(logits, average, task)
        return mean if temperature is None else with_temperature(mean, temperature)

    def __repr__(self) -> str:
        return f"CropPlan({self.name!r}, {len(self)} view{'s' * (len(self) > 1)})"

    def __len__(self) -> int:
        return len(self.rules)


def _is_possible(rule: object) -> bool:
    if not isinstance(rule, ViewRule) or rule.fit not in _FITS:
        return False
    try:
        return rule.zoom > 0 and all(0 <= place <= 1 for place in (rule.down, rule.across, rule.part or 0.0))
    except TypeError:
        return False


def mirrored(rules: tuple[ViewRule, ...]) -> tuple[ViewRule, ...]:
    """The same rules, mirrored left-right."""
    return tuple(rule._replace(mirrored=not rule.mirrored) for rule in rules)


_CENTER = (ViewRule(),)
_FIVE = (*(ViewRule(down=down, across=across) for down, across in product((0.0, 1.0), repeat=2)), *_CENTER)
_SCALES = (1.0, 1.125, 1.25, 1.375)  # short edges of 256, 288, 320 and 352 if the network's own is 256


def _multi_scale() -> tuple[ViewRule, ...]:
    """At each scale, the left, middle and right (or top, middle and bottom) square: its 5 crops, and all of it.

    All of a square, resized to the crop, is the same at every scale; it counts four times, as in the paper.
    """
    rules: list[ViewRule] = []
    for zoom, part in product(_SCALES, (0.0, 0.5, 1.0)):
        rules += [ViewRule("resize", zoom, rule.down, rule.across, part) for rule in _FIVE]
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
    """The crop plan of a name. A CropPlan is returned as it is.

    Args:
        name: center, flip (center and its mirror image), five (corners and center), ten (five and their mirror images),
            wide (the smallest size that fills the crop), whole (the whole image, with `fill` around it), multi-scale
            (144 crops at 4 scales), or grid:RxC (R rows of C crops, spread evenly). 1, 2, 5, 10 and 144 are aliases of
            center, flip, five, ten and multi-scale.

    Raises:
        SpecError: the name is not known, or a grid has more than 16 rows or columns.

    Example:
        >>> from edgekit import plan_named
        >>> plan_named("grid:3x3")
        CropPlan('grid:3x3', 9 views)
    """
    if isinstance(name, CropPlan):
        return name
    try:
        text = str(name)
    except ValueError:  # an integer of thousands of digits
        text = ""
    key = _ALIASES.get(text, text)
    if key in PLANS:
        return PLANS[key]
    grid = _GRID.fullmatch(key)
    if grid is None:
        raise SpecError(unknown("crop plan", name, (*PLANS, *_ALIASES, "grid:3x3")))
    rows, columns = int(grid[1]), int(grid[2])
    if max(rows, columns) > _MAX_GRID:
        raise SpecError(f"crop plan {key!r}: a grid has at most {_MAX_GRID} rows and columns")
    return CropPlan(key, tuple(ViewRule(down=d, across=a) for d, a in product(_spread(rows), _spread(columns))))


def _spread(count: int) -> tuple[float, ...]:
    """`count` positions, evenly from 0 to 1; a single one is in the middle."""
    return tuple(step / (count - 1) for step in range(count)) if count > 1 else (0.5,)


def _largest_part(room: Size, crop: Size) -> Size:
    """The largest part of `room` that has the crop's proportions, and never less than the crop."""
    if room.height * crop.width <= room.width * crop.height:
        return Size(room.height, max(crop.width, room.height * crop.width // crop.height))
    return Size(max(crop.height, room.width * crop.height // crop.width), room.width)
