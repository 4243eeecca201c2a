"""Decodes and crops the images of a quantization once, and checks that they are fit for calibration."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from edgekit.dataset import ImageSet, Unreadable
from edgekit.errors import DataError, ImageError, listed
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

MIN_CALIBRATION_IMAGES = 8
# Standard deviation from image to image, in levels of 0-255; varied photos have about 60.
_MIN_SPREAD_LEVELS = 4.0
_GRID = 16
# JPEG compression alone moves the channels of a gray image apart by less than this many levels.
_GRAY_LEVELS = 16
_MAX_LISTED = 3


class PixelCache:
    """The network input of each readable image of a set, kept in a temporary file.

    Iterating yields uint8 (1, height, width, channels) and reads the file again each time: any number of passes costs
    one decoding, and any number of images the memory of one. Use it as a context manager to delete the file.

    Args:
        images: images to decode.
        preprocess: how they are resized and cropped.
        on_image: called after each image.

    Attributes:
        images: the images that could be read.
        unreadable: the images that could not, each with the reason.
        sha256: hex digest of all pixels, in order.
        distinct: number of images with different pixels.
        spread: standard deviation from image to image on a coarse grid of pixels, in levels of 0-255.
        colored: whether any image has color.
    """

    def __init__(
        self, images: ImageSet, preprocess: Preprocess, *, on_image: Callable[[], None] = lambda: None
    ) -> None:
        self._shape = (1, *preprocess.crop, preprocess.channels)
        self._file = tempfile.TemporaryFile(prefix="edgekit-")  # noqa: SIM115  (closed by __exit__)
        self.unreadable: list[Unreadable] = []
        digest, distinct, grids, colored = hashlib.sha256(), set(), _Spread(), False
        readable = []
        for index, (name, source) in enumerate(zip(images.names, images.sources, strict=True)):
            try:
                image = load_image(source)
            except ImageError as error:
                self.unreadable.append(Unreadable(name, str(error)))
                on_image()
                continue
            colored = colored or _is_colored(image.pixels)
            pixels = preprocess.pixels(image.in_color(preprocess.color))
            digest.update(pixels.tobytes())
            distinct.add(hashlib.sha256(pixels.tobytes()).digest())
            grids.add(pixels)
            self._file.write(pixels.tobytes())
            readable.append(index)
            on_image()
        self.images = images.subset(readable)
        self.sha256, self.distinct, self.spread, self.colored = digest.hexdigest(), len(distinct), grids.spread, colored

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Pixels]:
        return self.first(len(self))

    def first(self, count: int) -> Iterator[Pixels]:
        """Yield the first `count` images, or all of them if there are fewer."""
        size = int(np.prod(self._shape))
        for index in range(min(count, len(self))):
            self._file.seek(index * size)
            yield np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class _Spread:
    """Accumulates how much a coarse grid of pixels varies from image to image."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, np.zeros(()), np.zeros(())

    def add(self, pixels: Pixels) -> None:
        rows, columns = (np.linspace(0, extent - 1, _GRID).astype(int) for extent in pixels.shape[1:3])
        grid = pixels[0][np.ix_(rows, columns)].astype(np.float64)
        self._count, self._sum, self._squares = self._count + 1, self._sum + grid, self._squares + grid**2

    @property
    def spread(self) -> float:
        """The square root of the mean variance, in levels of 0-255."""
        if not self._count:
            return 0.0
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        return float(np.sqrt(max(float(variance.mean()), 0.0)))


def _is_colored(image: Image.Image) -> bool:
    """Whether the channels of an RGB image differ by more than JPEG compression of a gray image explains."""
    grid = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.NEAREST)).astype(np.int16)
    return bool((np.ptp(grid, axis=-1) > _GRAY_LEVELS).any())


def check_calibration(cache: PixelCache, preprocess: Preprocess) -> list[str]:
    """Check that activation ranges can be measured on the calibration images.

    Args:
        cache: calibration images.
        preprocess: the model's preprocessing.

    Returns:
        Warnings about images that calibrate poorly, one line each.

    Raises:
        DataError: there are fewer than 8 different images, or all images are nearly the same.
    """
    reasons = listed(map(str, cache.unreadable), most=_MAX_LISTED, separator="; ")
    if cache.distinct < MIN_CALIBRATION_IMAGES:
        raise DataError(
            f"calibration needs at least {MIN_CALIBRATION_IMAGES} different images "
            f"(got {len(cache)}, of which {cache.distinct} are different)"
            + (f"; unreadable: {reasons}" if cache.unreadable else "")
        )
    if cache.spread < _MIN_SPREAD_LEVELS:
        raise DataError(
            f"the calibration images are nearly identical (standard deviation {cache.spread:.1f} of 255 levels); "
            f"use images as varied as those that the model will be used on"
        )
    warnings = []
    if cache.unreadable:
        warnings.append(f"skipped {len(cache.unreadable)} unreadable calibration images ({reasons})")
    if cache.distinct < len(cache) / 2:
        warnings.append(f"only {cache.distinct} of {len(cache)} calibration images are different")
    if preprocess.color == "RGB" and not cache.colored:
        warnings.append("all calibration images are gray, but the model expects color")
    if preprocess.color == "L" and cache.colored:
        warnings.append("the calibration images are in color, but the model expects gray; they were converted")
    return warnings
