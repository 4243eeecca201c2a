"""The pixels of an image's views: resampling and cutting, the only implementation of `Preprocess`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from PIL import Image

from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.crops import Box, View

if TYPE_CHECKING:
    from edgekit.preprocess.spec import Preprocess

Interpolation: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Resampler: TypeAlias = Literal["pillow", "torch", "tensorflow"]

Cut: TypeAlias = Callable[[View, Box], Pixels]

_FILTERS: dict[str, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# The interpolations that each resampler has.
INTERPOLATIONS: Mapping[Resampler, Sequence[str]] = {
    "pillow": tuple(_FILTERS),
    "torch": ("nearest", "bilinear", "bicubic"),
    "tensorflow": ("nearest", "bilinear", "bicubic", "lanczos"),
}
# A very long image would grow to gigabytes when its short edge is enlarged. Above this many pixels only the crop's own
# box is resampled: the same filter at the same places, equal except for rounding.
_MAX_RESIZED_PIXELS = 2**24


def cut_views(image: LoadedImage, views: Sequence[View], preprocess: Preprocess, *, whole: bool) -> Pixels:
    """Cut views out of an image; `Preprocess.pixels` has the meaning of the arguments.

    Args:
        image: upright, in the mode of the preprocessing.
        views: what to cut.
        preprocess: the specification.
        whole: whether to resample the whole image.

    Returns:
        uint8 (views, height, width, channels).
    """
    pixels = np.empty((len(views), *preprocess.crop, preprocess.channels), np.uint8)
    cut = (
        _interpolate(image, preprocess)
        if preprocess.resampler != "pillow"
        else _filter(image, preprocess, views, whole)
    )
    for target, view in zip(pixels, views, strict=True):
        visible, inside = _visible(view), target[:, ::-1] if view.mirrored else target
        if visible != view.box:
            target[:] = preprocess.fill
            down = slice(visible.top - view.box.top, visible.bottom - view.box.top)
            across = slice(visible.left - view.box.left, visible.right - view.box.left)
            inside = inside[down, across]
        if inside.size:
            inside[:] = cut(view, visible).reshape(inside.shape)
    return pixels


def _visible(view: View) -> Box:
    """The part of the view's box that lies inside the resized image; empty if there is none."""
    top, left = max(view.box.top, 0), max(view.box.left, 0)
    bottom, right = min(view.box.bottom, view.resize.height), min(view.box.right, view.resize.width)
    return Box(top, left, max(bottom, top), max(right, left))


def _filter(image: LoadedImage, preprocess: Preprocess, views: Sequence[View], whole: bool) -> Cut:
    """Cut by Pillow's filter: out of the whole resized image, or only the box if no other view has its size."""
    resample = _FILTERS[preprocess.interpolation]
    whole = whole or preprocess.interpolation == "nearest"  # the box may choose other pixels, not a level more or less
    shared = _shared_sizes(views) if len(views) > 1 else frozenset()
    resized: dict[Size, Image.Image] = {}

    def cut(view: View, visible: Box) -> Pixels:
        large = view.resize.height * view.resize.width > _MAX_RESIZED_PIXELS
        if large or not (whole or view.resize in shared):
            return np.asarray(_resample_box(image, view.resize, visible, resample))
        if view.resize not in resized:
            resized[view.resize] = _resample_whole(image, view.resize, resample)
        return np.asarray(resized[view.resize].crop((visible.left, visible.top, visible.right, visible.bottom)))

    return cut


def _shared_sizes(views: Sequence[View]) -> frozenset[Size]:
    """The sizes that several boxes are cut from."""
    counts = Counter(resize for resize, _ in {(view.resize, view.box) for view in views})
    return frozenset(size for size, count in counts.items() if count > 1)


def _resample_whole(image: LoadedImage, size: Size, resample: Image.Resampling) -> Image.Image:
    width_height = (size.width, size.height)
    unchanged = image.frame.box == (0, 0, *width_height)
    return image.pixels if unchanged else image.pixels.resize(width_height, resample, image.frame.box)


def _resample_box(image: LoadedImage, size: Size, box: Box, resample: Image.Resampling) -> Image.Image:
    """Only a box of the resized image, resampled from the source."""
    first, upper, last, lower = image.frame.box
    down, across = (lower - upper) / size.height, (last - first) / size.width
    begin = (first + box.left * across, upper + box.top * down)
    source = (*begin, min(first + box.right * across, last), min(upper + box.bottom * down, lower))
    return image.pixels.resize((box.right - box.left, box.bottom - box.top), resample, box=source)


def _interpolate(image: LoadedImage, preprocess: Preprocess) -> Cut:
    """Cut without antialiasing: only the box, which is equal to that part of the whole resized image."""
    from edgekit.preprocess.interpolation import interpolated  # here, because few models need it

    pixels, interpolation, resampler = np.asarray(image.pixels), preprocess.interpolation, preprocess.resampler
    return lambda view, visible: interpolated(
        pixels, view.resize, visible, interpolation=interpolation, resampler=resampler
    )
