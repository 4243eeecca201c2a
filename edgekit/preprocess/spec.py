"""From an upright image to the pixels that a network accepts: the specification, and its only implementation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from edgekit.errors import SpecError, must_be, unknown
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
# A very long image would grow to gigabytes when its short edge is enlarged. Above this many pixels only the crop's own
# box is resampled: the same filter at the same places, equal except for rounding.
_MAX_RESIZED_PIXELS = 2**24
# Of a crop and of a short edge, in pixels: far above any real network; larger values are attempts to exhaust memory.
MAX_EXTENT = 4096

_IMAGENET_CROP = Size(224, 224)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How images become network input.

    The arithmetic for one view of an upright image, in this order:

    1. resize the whole image so that its short edge is `resize` pixels and its long edge int(long * resize / short),
       with Pillow's antialiased filter `interpolation`;
    2. add `pad` black pixels on each side;
    3. cut `crop` (the center: offset round((extent - crop) / 2), half to even); mirror if the view says so;
    4. that is the input of the model file: uint8 (height, width, channels), 3 channels (RGB) or 1 (gray) by `color`;
    5. inside the graph: (value / 255 - mean) / std for each channel.

    Args:
        color: "RGB" or "L" (gray).
        resize: short edge after resizing, in pixels, 1 to 4096.
        pad: black border on each side, in pixels, from 0, smaller than the crop.
        crop: (height, width) of the network's input in pixels, 1 to 4096; one integer stands for a square.
        interpolation: nearest, box, bilinear, hamming, bicubic or lanczos.
        mean: mean of each channel on a 0-1 scale; a single number stands for every channel.
        std: standard deviation of each channel on a 0-1 scale, above 0; a single number stands for every channel.

    Raises:
        SpecError: a value is not possible.

    Example:
        >>> from edgekit import Preprocess, load_image
        >>> preprocess = Preprocess(resize=36, crop=32, mean=0.5, std=0.25)
        >>> preprocess.crop
        Size(height=32, width=32)
        >>> preprocess.pixels(load_image("photo.jpg")).shape
        (1, 32, 32, 3)
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
            raise SpecError(unknown("color", self.color, ("RGB", "L")))
        if not isinstance(self.interpolation, str) or self.interpolation not in _FILTERS:
            raise SpecError(unknown("interpolation", self.interpolation, _FILTERS))
        object.__setattr__(self, "crop", _size("crop", self.crop))
        object.__setattr__(self, "mean", self._per_channel("mean", self.mean))
        object.__setattr__(self, "std", self._per_channel("std", self.std))
        if min(self.std) <= 0:
            raise SpecError(must_be("std", "above 0", self.std))
        if not _is_count(self.resize, least=1, most=MAX_EXTENT):
            raise SpecError(must_be("resize", f"an integer from 1 to {MAX_EXTENT} pixels", self.resize))
        if not _is_count(self.pad, least=0, most=min(self.crop) - 1):  # a corner crop must see some image
            raise SpecError(must_be("pad", f"an integer from 0 to {min(self.crop) - 1}, below the crop", self.pad))

    @property
    def channels(self) -> int:
        """Number of channels: 3 for RGB, 1 for gray."""
        return len(self.color)

    def pixels(
        self, image: LoadedImage | Image.Image, views: Sequence[View] | None = None, *, whole: bool = True
    ) -> Pixels:
        """Cut the views out of an image: uint8 (views, height, width, channels).

        Args:
            image: upright, in mode `color`: from `load_image`, or a PIL image, which is taken to be complete.
            views: what to cut, from the `views` of a crop plan; the center crop by default. Views that resize the image
                to the same size share the resampling.
            whole: whether to resample the whole image, which is the reference. False resamples only the view's own box
                if no other view has its size, as training and prediction do: faster, and equal except for rounding (at
                most one level in each direction).

        Raises:
            SpecError: the image is not one, or is in another mode than `color`.

        Example:
            >>> from edgekit import Preprocess, load_image, plan_named
            >>> preprocess, image = Preprocess(resize=36, crop=32), load_image("photo.jpg")
            >>> preprocess.pixels(image, plan_named("ten").views(image.size, preprocess)).shape
            (10, 32, 32, 3)
        """
        if isinstance(image, Image.Image):
            image = LoadedImage.of(image)
        elif not isinstance(image, LoadedImage):
            raise SpecError(must_be("image", "the result of load_image, or a PIL image", image))
        mode = image.pixels.mode
        if mode != self.color:
            raise SpecError(f"`image` is in mode {mode}, but the network expects {self.color}; load_image converts it")
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
        """The view's box, not mirrored. `resized` caches the resampled images by their size."""
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
        """Only the view's box, resampled from the source; what lies outside the image stays black."""
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
        """The values as JSON-ready ones; `from_dict` is the inverse."""
        return asdict(self) | {"crop": list(self.crop), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """A Preprocess from the values of `to_dict`, or from some of them over the defaults.

        Args:
            values: the values by their names.

        Raises:
            SpecError: a name is not known, or a value is not possible.

        Example:
            >>> from edgekit import Preprocess
            >>> Preprocess.from_dict({"crop": [224, 320]}).crop
            Size(height=224, width=320)
        """
        if not isinstance(values, dict):
            raise SpecError(must_be("preprocess", "names with values", values))
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise SpecError(unknown("preprocess value", name, known))
        return cls(**values)

    def _per_channel(self, name: str, value: object) -> tuple[float, ...]:
        values = (value,) if _is_number(value) else value
        if not isinstance(values, Sequence) or isinstance(values, str) or not all(map(_is_number, values)):
            raise SpecError(must_be(name, "a number, or one for each channel", value))
        if len(values) == 1:
            values = tuple(values) * self.channels
        try:
            per_channel = tuple(float(v) for v in values)
        except OverflowError:  # an integer beyond all floats
            per_channel = (math.inf,)
        if len(per_channel) != self.channels or not all(map(math.isfinite, per_channel)):
            raise SpecError(must_be(name, f"{self.channels} finite numbers for {self.color}", value))
        return per_channel


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object, *, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _size(name: str, value: object) -> Size:
    """A Size from an integer (a square) or a (height, width) pair."""
    pair = (value, value) if isinstance(value, int) else value
    fits = isinstance(pair, Sequence) and len(pair) == 2 and all(_is_count(v, least=1, most=MAX_EXTENT) for v in pair)
    if not isinstance(pair, Sequence) or not fits:
        raise SpecError(must_be(name, f"1 to {MAX_EXTENT} pixels, or (height, width) of such", value))
    return Size(*pair)
