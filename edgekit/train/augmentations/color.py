"""Changes of color, all on uint8 (height, width, channels) pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from edgekit.dataset import PictureSet
from edgekit.errors import DataError
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

ColorAxes: TypeAlias = npt.NDArray[np.float64]  # (channels, channels): a column is a principal axis, as long as its std

_AXES_PICTURES = 512
_SIDE = 64


def color_shift(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast and saturation, each times a factor in [1 - strength, 1 + strength]."""
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(1 - strength, 1 + strength))
    return np.asarray(picture).reshape(pixels.shape)


def hue_shift(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Hues turned by up to `strength` of the circle either way; gray pictures have none."""
    turn = round(rng.uniform(-strength, strength) * 256)
    if pixels.shape[2] == 1:
        return pixels
    values = np.array(Image.fromarray(pixels).convert("HSV"))
    values[:, :, 0] = ((values[:, :, 0].astype(np.int64) + turn) % 256).astype(np.uint8)
    return np.asarray(Image.fromarray(values, "HSV").convert("RGB"))


def pca_shift(pixels: Pixels, strength: float, axes: ColorAxes, rng: np.random.Generator) -> Pixels:
    """One color added to the whole picture: each axis times N(0, strength).

    Krizhevsky et al. 2012, section 4.1, where strength is 0.1. (The paper multiplies by the eigenvalue; with the
    published figures that is only sensible as its root, the standard deviation, in the same unit as the pixels.)
    """
    shift = axes @ rng.normal(0, strength, axes.shape[1])
    return np.clip(np.rint(pixels + shift), 0, 255).astype(np.uint8)


def color_axes(pictures: PictureSet, preprocess: Preprocess) -> ColorAxes:
    """The principal axes of the pictures' colors, in levels: eigenvectors times the roots of their eigenvalues.

    Of at most 512 pictures spread evenly over the set, so that the answer depends on the set alone.
    """
    if not len(pictures):
        raise DataError("there are no pictures to take colors from")
    step = -(-len(pictures) // _AXES_PICTURES)
    colors = [_colors(pictures, index, preprocess) for index in range(0, len(pictures), step)]
    covariance = np.atleast_2d(np.cov(np.concatenate(colors), rowvar=False))
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)), np.float64)


def _colors(pictures: PictureSet, index: int, preprocess: Preprocess) -> Pixels:
    """(positions, channels) of a small copy of the picture."""
    loaded = load_image(pictures.sources[index], color=preprocess.color)
    small = loaded.pixels.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small).reshape(-1, preprocess.channels)
