"""From an upright image to the pixels that a network takes: the spec, and its only implementation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from edgekit.errors import SpecError, unknown
from edgekit.image.color_modes import Color
from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.crops import PLANS, View

Interpolation: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]

_FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# A very long image would grow to gigabytes when its short edge is enlarged, so past this many pixels only the
# crop's own box is resampled: the same filter on the same places, equal but for rounding.
_MAX_RESIZED_PIXELS = 2**24
# Of a crop and of a short edge, in pixels: what a network takes is far below, and past it a file is out for the memory.
MAX_EXTENT = 4096

_IMAGENET_CROP = Size(224, 224)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How images become network input.

    The arithmetic, in this order, for one view of an upright image:

    1. resize the whole image so that its short edge is `resize` pixels, the long edge int(long * resize / short),
       with Pillow's antialiased filter `interpolation`;
    2. lay `pad` black pixels around it;
    3. cut `crop` (the center: offset round((extent - crop) / 2), half to even); mirror if the view says so;
    4. that is the file's input: uint8, (height, width, channels), 3 channels RGB or 1 gray by `color`;
    5. inside the graph: (value / 255 - mean) / std for each channel. mean and std are in 0..1 units.

    Scalars given for mean and std stand for every channel. Raises SpecError for values that cannot be.
    """

    color: Color = "RGB"
    resize: int = 256
    pad: int = 0
    crop: Size = _IMAGENET_CROP
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.color not in ("RGB", "L"):
            raise SpecError(unknown("color", str(self.color), ("RGB", "L")))
        if not isinstance(self.interpolation, str) or self.interpolation not in _FILTERS:
            raise SpecError(unknown("interpolation", str(self.interpolation), _FILTERS))
        object.__setattr__(self, "crop", _size("crop", self.crop))
        object.__setattr__(self, "mean", self._per_channel("mean", self.mean))
        object.__setattr__(self, "std", self._per_channel("std", self.std))
        if min(self.std) <= 0:
            raise SpecError(f"std must be above 0, not {self.std}")
        if not _is_count(self.resize, least=1, most=MAX_EXTENT):
            raise SpecError(f"resize must be 1 to {MAX_EXTENT} whole pixels, not {self.resize!r:.100}")
        if not _is_count(self.pad, least=0, most=min(self.crop) - 1):  # a corner crop would see nothing but padding
            raise SpecError(f"pad must be whole pixels, fewer than the crop's {self.crop}, not {self.pad!r:.100}")

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for gray."""
        return len(self.color)

    def pixels(
        self, image: LoadedImage | Image.Image, views: Sequence[View] | None = None, *, whole: bool = True
    ) -> Pixels:
        """The pixels of the views (the center crop by default): uint8 of (views, height, width, channels).

        image: upright, in mode `color`: of load_image, or a PIL image, which is taken as the whole. Views that share
        a size share its resampling. whole: False resamples only the view's own box where no other shares its size, as
        training and prediction do: faster, and equal but for rounding (at most one level in each direction), where the
        reference resizes the whole image.
        """
        image = image if isinstance(image, LoadedImage) else LoadedImage.of(image)
        mode = image.pixels.mode
        if mode != self.color:
            raise SpecError(f"an image in mode {mode} for a {self.color} network; load_image converts it")
        if views is None:
            views = PLANS["center"].views(image.size, self)
        pixels = np.empty((len(views), *self.crop, self.channels), np.uint8)
        boxes = {(view.resize, view.box) for view in views}
        shared = Counter(resize for resize, _ in boxes)
        resized: dict[Size, Image.Image] = {}
        for target, view in zip(pixels, views, strict=True):
            array = self._cut(image, view, resized, whole or shared[view.resize] > 1).reshape(target.shape)
            target[:] = array[:, ::-1] if view.mirrored else array
        return pixels

    def _cut(self, image: LoadedImage, view: View, resized: dict[Size, Image.Image], whole: bool) -> Pixels:
        """The view's box, not mirrored; `resized` keeps what was resampled for the views before."""
        box = view.box
        if not whole or view.resize.height * view.resize.width > _MAX_RESIZED_PIXELS:
            return np.asarray(self._resample_box(image, view))
        if view.resize not in resized:
            width_height = (view.resize.width, view.resize.height)
            whole_box = image.frame.box
            unchanged = whole_box == (0, 0, *width_height)
            resized[view.resize] = (
                image.pixels
                if unchanged
                else image.pixels.resize(width_height, _FILTERS[self.interpolation], whole_box)
            )
        return np.asarray(resized[view.resize].crop((box.left, box.top, box.right, box.bottom)))

    def _resample_box(self, image: LoadedImage, view: View) -> Image.Image:
        """Only the view's box, resampled straight from the source; what lies outside of the image stays black."""
        top, left = max(view.box.top, 0), max(view.box.left, 0)
        bottom, right = min(view.box.bottom, view.resize.height), min(view.box.right, view.resize.width)
        first, upper, last, lower = image.frame.box
        down, across = (lower - upper) / view.resize.height, (last - first) / view.resize.width
        begin = (first + left * across, upper + top * down)
        source = (*begin, min(first + right * across, last), min(upper + bottom * down, lower))
        part = image.pixels.resize((right - left, bottom - top), _FILTERS[self.interpolation], box=source)
        if part.size == (self.crop.width, self.crop.height):
            return part
        canvas = Image.new(self.color, (self.crop.width, self.crop.height))
        canvas.paste(part, (left - view.box.left, top - view.box.top))
        return canvas

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return asdict(self) | {"crop": list(self.crop), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """From to_dict's values, or some of them. Raises SpecError for an unknown or impossible one."""
        if not isinstance(values, dict):
            raise SpecError(f"preprocess must be names with values, not {values!r:.100}")
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise SpecError(unknown("preprocess value", str(name), known))
        return cls(**values)

    def _per_channel(self, name: str, value: object) -> tuple[float, ...]:
        values = (value,) if _is_number(value) else value
        if not isinstance(values, Sequence) or isinstance(values, str) or not all(map(_is_number, values)):
            raise SpecError(f"{name} must be a number or one per channel, not {value!r:.100}")
        if len(values) == 1:
            values = tuple(values) * self.channels
        try:
            per_channel = tuple(float(v) for v in values)
        except OverflowError:  # a whole number past all floats
            per_channel = (math.inf,)
        if len(per_channel) != self.channels or not all(map(math.isfinite, per_channel)):
            raise SpecError(f"{name} must have {self.channels} finite values for {self.color}, not {value!r:.100}")
        return per_channel


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, *, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _size(name: str, value: object) -> Size:
    """A Size from a whole number (a square) or a (height, width) pair."""
    pair = (value, value) if isinstance(value, int) else value
    fits = isinstance(pair, Sequence) and len(pair) == 2 and all(_is_count(v, least=1, most=MAX_EXTENT) for v in pair)
    if not isinstance(pair, Sequence) or not fits:
        raise SpecError(f"{name} must be 1 to {MAX_EXTENT} pixels or (height, width), not {value!r:.100}")
    return Size(*pair)
