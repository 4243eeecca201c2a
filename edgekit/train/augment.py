"""Random views and colors of training pictures, all drawn from one generator for each (seed, epoch, index)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from edgekit.crops import Box, View, resized_size
from edgekit.errors import SpecError
from edgekit.image import Pixels, Size, size_of
from edgekit.preprocess import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """What is done to a training picture, in this order.

    crop_padding: black pixels around the resized picture, of which the crop is then cut at a random place.
    progressive: (from this share of the epochs, crop height and width) pairs: small crops cost less and come first
    (progressive learning, Tan and Le 2021, arXiv 2104.00298, section 4.2).
    mirror: left-right by a coin.
    color: brightness, contrast and saturation, each times a factor in [1 - color, 1 + color].
    """

    crop_padding: int = 0
    progressive: tuple[tuple[float, int], ...] = ()
    mirror: bool = False
    color: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "progressive", tuple((float(share), int(px)) for share, px in self.progressive))
        if self.crop_padding < 0 or not 0 <= self.color < 1:
            raise SpecError(f"crop_padding {self.crop_padding} must be >= 0 and color {self.color} in [0, 1)")
        if list(self.progressive) != sorted(self.progressive):
            raise SpecError(f"progressive must be in order of its shares: {self.progressive}")

    def crop_at(self, progress: float, full: Size) -> Size:
        """The crop at this share of the training (0 to 1): the last progressive one begun, else `full`."""
        begun = [crop for share, crop in self.progressive if share <= progress]
        return Size(begun[-1], begun[-1]) if begun else full

    def pixels(
        self, image: Image.Image, preprocess: Preprocess, *, progress: float, rng: np.random.Generator
    ) -> Pixels:
        """One random view of an upright picture: uint8 (crop height, crop width, channels)."""
        preprocess = dataclasses.replace(
            preprocess, crop=self.crop_at(progress, preprocess.crop), pad=preprocess.pad + self.crop_padding
        )
        pixels = preprocess.pixels(image, [self._view(size_of(image), preprocess, rng)])[0]
        return self._colored(pixels, rng) if self.color else pixels

    def _view(self, size: Size, preprocess: Preprocess, rng: np.random.Generator) -> View:
        resized, pad, crop = resized_size(size, preprocess), preprocess.pad, preprocess.crop
        top = int(rng.integers(resized.height + 2 * pad - crop.height + 1)) - pad
        left = int(rng.integers(resized.width + 2 * pad - crop.width + 1)) - pad
        mirrored = self.mirror and bool(rng.integers(2))
        return View(resized, Box(top, left, top + crop.height, left + crop.width), mirrored)

    def _colored(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            picture = enhance(picture).enhance(rng.uniform(1 - self.color, 1 + self.color))
        return np.asarray(picture).reshape(pixels.shape)
