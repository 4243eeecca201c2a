"""Augmentation of one training image; all draws come from one generator for each (seed, epoch, index)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.image.source import Pixels
from edgekit.preprocess.crops import Box, View
from edgekit.preprocess.geometry import crop_offset, resized_size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.color import ColorAxes, color_shift, hue_shift, pca_shift
from edgekit.train.augmentations.distort import erased, warped
from edgekit.train.settings import Augment

_CROP_RATIO = (3 / 4, 4 / 3)  # width / height of random resized crops: Szegedy et al. 2014, section 6


def augmented(
    image: LoadedImage,
    preprocess: Preprocess,
    augment: Augment,
    *,
    progress: float,
    rng: np.random.Generator,
    axes: ColorAxes | None = None,
) -> Pixels:
    """A random view of an image with random changes of its shape and colors.

    Args:
        image: the upright image.
        preprocess: its resize and crop define the view.
        augment: the [augment] section of the recipe.
        progress: share of the epochs that are done, 0 to 1; it selects the progressive crop.
        rng: source of all draws.
        axes: principal axes of the training images' colors, for `pca_color`.

    Returns:
        uint8 (crop height, crop width, channels).
    """
    preprocess = _at_progress(preprocess, augment, progress)
    # Only the box is resampled: much faster, and at most two levels off the pixels that evaluation would compute.
    pixels: Pixels = preprocess.pixels(image, [_random_view(image.size, preprocess, augment, rng)], whole=False)[0]
    if augment.rotate or augment.shear:
        pixels = warped(pixels, rotate=augment.rotate, shear=augment.shear, fill=preprocess.fill, rng=rng)
    if augment.color:
        pixels = color_shift(pixels, augment.color, rng)
    if augment.hue:
        pixels = hue_shift(pixels, augment.hue, rng)
    if augment.pca_color and axes is not None:
        pixels = pca_shift(pixels, augment.pca_color, axes, rng)
    if augment.erase and rng.random() < augment.erase:
        pixels = erased(pixels, rng)
    return pixels


def _at_progress(preprocess: Preprocess, augment: Augment, progress: float) -> Preprocess:
    """The preprocessing with the crop at this share of the epochs, and the padding of random crops.

    The crop is the latest progressive one, or the full one if none has begun. With fit short-edge, a smaller crop shows
    a smaller part of the image; with another, `resize` shrinks with it, so that the whole image stays in view.
    """
    full, resize = preprocess.crop, preprocess.resize
    crops = [Size(crop, crop) for share, crop in augment.progressive if share <= progress]
    crop = crops[-1] if crops else full
    if isinstance(resize, Size) and crop != full:
        resize = Size(*(max(1, round(r * c / f)) for r, c, f in zip(resize, crop, full, strict=True)))
    return dataclasses.replace(preprocess, resize=resize, crop=crop, pad=preprocess.pad + augment.crop_padding)


def _random_view(size: Size, preprocess: Preprocess, augment: Augment, rng: np.random.Generator) -> View:
    """Draw the place and size of the view.

    It is a part of the image as the network will see it: squashed, or with the borders of a letterbox.
    """
    crop, pad, image = preprocess.crop, preprocess.pad, resized_size(size, preprocess)
    canvas = preprocess.resize if preprocess.fit == "letterbox" and isinstance(preprocess.resize, Size) else image
    if augment.crop_scale:
        if preprocess.fit in ("short-edge", "cover"):  # these keep the proportions, and show no border
            canvas = image = size
        smallest, largest = augment.crop_scale
        stretched = stretched_size(canvas, crop, rng.uniform(smallest, largest), _random_ratio(rng))
        image = Size(*(max(1, round(i * s / c)) for i, s, c in zip(image, stretched, canvas, strict=True)))
        canvas, pad = stretched, 0
    top, left = (
        _random_offset(room + 2 * pad - extent, preprocess, rng) - pad - (room - inner) // 2
        for room, extent, inner in zip(canvas, crop, image, strict=True)
    )
    mirrored = augment.mirror and bool(rng.integers(2))
    return View(image, Box(top, left, top + crop.height, left + crop.width), mirrored)


def _random_offset(room: int, preprocess: Preprocess, rng: np.random.Generator) -> int:
    return int(rng.integers(room + 1)) if room >= 0 else crop_offset(room, 0.5, preprocess)


def stretched_size(size: Size, crop: Size, share: float, ratio: float) -> Size:
    """The size to resize an image to, so that a crop covers a given share of it with a given shape.

    Args:
        size: size of the original image.
        crop: size of the crop.
        share: share of the image's area that the crop covers, above 0 to 1.
        ratio: width / height of the covered box in the original image. A box larger than the image is cut down to it.
    """
    area = share * size.height * size.width
    box_height = min(math.sqrt(area / ratio), size.height)
    box_width = min(math.sqrt(area * ratio), size.width)
    height = max(round(size.height * crop.height / box_height), crop.height)
    width = max(round(size.width * crop.width / box_width), crop.width)
    return Size(height, width)


def _random_ratio(rng: np.random.Generator) -> float:
    """Draw width / height, uniform in its logarithm, so that wide and tall boxes are equally likely."""
    return math.exp(rng.uniform(math.log(_CROP_RATIO[0]), math.log(_CROP_RATIO[1])))
