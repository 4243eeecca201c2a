"""Heat maps: the network's input in grayscale, with the places in red that support a class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgekit.image.load import load_image
from edgekit.image.source import ImageSource
from edgekit.runtime.activation_maps import class_maps
from edgekit.runtime.classifier import Classifier

_HEAT = np.array((255, 72, 0), np.float32)
_OPACITY = 0.72


def heat_maps(classifier: Classifier, source: ImageSource, classes: Sequence[int]) -> list[Image.Image]:
    """For each class, the network's input (RGB, of the size of the crop) under the class activation map.

    Args:
        classifier: a model that has maps.
        source: the image; what the network sees is its center crop.
        classes: class indexes.

    Raises:
        ArtifactError: the model has no maps.
        ImageError: the image cannot be read, or is refused.
    """
    preprocess = classifier.info.preprocess
    loaded = load_image(source, color=preprocess.color, limits=classifier.limits)
    pixels = preprocess.pixels(loaded)[0]
    model_input = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    return [_overlay(model_input, heat) for heat in class_maps(classifier, pixels, classes)]


def _overlay(image: Image.Image, heat: npt.NDArray[np.float32]) -> Image.Image:
    """The map's range is stretched to the full range of opacity."""
    spread = float(heat.max() - heat.min())
    shares = (heat - heat.min()) / spread if spread > 0 else np.zeros_like(heat)
    resized = Image.fromarray(shares).resize(image.size, Image.Resampling.BICUBIC)
    opacity = np.clip(np.asarray(resized), 0, 1)[:, :, None] ** 2 * _OPACITY
    gray = np.asarray(image.convert("L").convert("RGB"), np.float32)
    return Image.fromarray((gray * (1 - opacity) + _HEAT * opacity).astype(np.uint8))
