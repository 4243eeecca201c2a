"""The images of a quantization, decoded and cropped once, one at a time in memory."""

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
# Standard deviation, in levels of 0..255, from image to image; photos of all kinds have about 60.
_ALIKE_LEVELS = 4.0
_GRID = 16
_GRAY_LEVELS = 16
_LISTED = 3


class PixelCache:
    """Uint8 (1, height, width, channels) of each readable image of a set, in a temporary file.

    Iterating again reads the file again, so any number of passes costs one decoding and any number of images the memory
    of one. `images` are those that could be read, `unreadable` the others. on_image is called after each. A context
    manager.
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
        """The first `count` images, or as many as there are."""
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
    """How much a coarse grid of pixels varies from image to image."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, np.zeros(()), np.zeros(())

    def add(self, pixels: Pixels) -> None:
        rows, columns = (np.linspace(0, extent - 1, _GRID).astype(int) for extent in pixels.shape[1:3])
        grid = pixels[0][np.ix_(rows, columns)].astype(np.float64)
        self._count, self._sum, self._squares = self._count + 1, self._sum + grid, self._squares + grid**2

    @property
    def spread(self) -> float:
        """The root of the mean variance, in levels."""
        if not self._count:
            return 0.0
        variance = self._squares / self._count - (self._sum / self._count) ** 2
        return float(np.sqrt(max(float(variance.mean()), 0.0)))


def _is_colored(image: Image.Image) -> bool:
    """Whether the channels of an RGB image differ by more than what JPEG makes of gray."""
    grid = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.NEAREST)).astype(np.int16)
    return bool((np.ptp(grid, axis=-1) > _GRAY_LEVELS).any())


def check_calibration(cache: PixelCache, preprocess: Preprocess) -> list[str]:
    """Warnings about the calibration images, a line each. Raises DataError if no range can be measured on them."""
    reasons = listed(map(str, cache.unreadable), most=_LISTED, separator="; ")
    if cache.distinct < MIN_CALIBRATION_IMAGES:
        raise DataError(
            f"{len(cache)} calibration images, {cache.distinct} of them different, say too little about the ranges; "
            f"give at least {MIN_CALIBRATION_IMAGES} different ones"
            + (f" (unreadable: {reasons})" if cache.unreadable else "")
        )
    if cache.spread < _ALIKE_LEVELS:
        raise DataError(
            f"the calibration images are all alike: they vary by {cache.spread:.1f} of 255 levels; give images as "
            f"different as those that the model will see"
        )
    warnings = []
    if cache.unreadable:
        warnings.append(f"{len(cache.unreadable)} calibration images cannot be read and are left out ({reasons})")
    if cache.distinct < len(cache) / 2:
        warnings.append(f"only {cache.distinct} of the {len(cache)} calibration images are different")
    if preprocess.color == "RGB" and not cache.colored:
        warnings.append("the calibration images are all gray, and the model takes color")
    if preprocess.color == "L" and cache.colored:
        warnings.append("the calibration images are in color, and the model takes gray; they were converted")
    return warnings
