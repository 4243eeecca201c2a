"""Color augmentation of uint8 (height, width, channels) pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

ColorAxes: TypeAlias = npt.NDArray[np.float64]  # (channels, channels): a column is an axis times its std

_MAX_AXES_IMAGES = 512
_SIDE = 64


def color_shift(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast and saturation, each by a random factor from 1 - strength to 1 + strength."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(1 - strength, 1 + strength))
    return np.asarray(image).reshape(pixels.shape)


def hue_shift(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Shift all hues by up to `strength` of the color circle in either direction; grayscale images have none."""
    shift = round(rng.uniform(-strength, strength) * 256)
    if pixels.shape[2] == 1:
        return pixels
    hsv = np.array(Image.fromarray(pixels).convert("HSV"))
    hsv[:, :, 0] = ((hsv[:, :, 0].astype(np.int64) + shift) % 256).astype(np.uint8)
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def pca_shift(pixels: Pixels, strength: float, axes: ColorAxes, rng: np.random.Generator) -> Pixels:
    """Add one random color to the whole image: the sum of the axes, each times a draw from N(0, strength).

    Krizhevsky et al. 2012, section 4.1, where strength is 0.1. The paper multiplies by the eigenvalue; the published
    figures only make sense as its square root, the standard deviation, which has the unit of the pixels.
    """
    shift = axes @ rng.normal(0, strength, axes.shape[1])
    return np.clip(np.rint(pixels + shift), 0, 255).astype(np.uint8)


def color_axes(images: ImageSet, preprocess: Preprocess) -> ColorAxes:
    """The principal axes of the images' colors: eigenvectors times the square roots of their eigenvalues.

    They are computed from at most 512 images spread evenly over the set, so that the result depends only on the set.

    Args:
        images: the training images.
        preprocess: decides in which color mode images are read.

    Returns:
        float64 (channels, channels) in pixel levels (0 to 255); each column is an axis.

    Raises:
        DataError: the set is empty.
        ImageError: an image cannot be read.
    """
    if not len(images):
        raise DataError("no images to compute color axes from")
    step = -(-len(images) // _MAX_AXES_IMAGES)
    colors = [_sample_colors(images, index, preprocess) for index in range(0, len(images), step)]
    covariance = np.atleast_2d(np.cov(np.concatenate(colors), rowvar=False))
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    return np.asarray(eigenvectors * np.sqrt(np.clip(eigenvalues, 0, None)), np.float64)


def _sample_colors(images: ImageSet, index: int, preprocess: Preprocess) -> Pixels:
    """The pixels of a small copy of the image: uint8 (positions, channels)."""
    image = load_image(images.sources[index], color=preprocess.color)
    small = image.pixels.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small).reshape(-1, preprocess.channels)
