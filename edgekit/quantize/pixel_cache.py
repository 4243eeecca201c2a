"""The pictures of a quantization, decoded once and cut as the network takes them, one at a time in memory."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from edgekit.dataset import PictureSet, Unreadable
from edgekit.errors import DataError, ImageError, listed
from edgekit.image.load import load_image
from edgekit.image.source import Pixels
from edgekit.preprocess.spec import Preprocess

MIN_CALIBRATION_PICTURES = 8
# Standard deviation, in levels of 0..255, from picture to picture; photographs of all kinds have about 60.
_ALIKE_LEVELS = 4.0
_GRID = 16
_GRAY_LEVELS = 16
_LISTED = 3


class PixelStore:
    """Uint8 (1, height, width, channels) of each readable picture of a set, kept in a temporary file.

    Iterating again reads the file again, so any number of passes costs one decoding and any number of pictures the
    memory of one. `pictures` are those that could be read, `unreadable` the others. on_picture is called after each.
    A context manager.
    """

    def __init__(
        self, pictures: PictureSet, preprocess: Preprocess, *, on_picture: Callable[[], None] = lambda: None
    ) -> None:
        self._shape = (1, *preprocess.crop, preprocess.channels)
        self._file = tempfile.TemporaryFile(prefix="edgekit-")  # noqa: SIM115  (closed by __exit__)
        self.unreadable: list[Unreadable] = []
        digest, distinct, grids, colored = hashlib.sha256(), set(), _Spread(), False
        kept = []
        for index, (name, source) in enumerate(zip(pictures.names, pictures.sources, strict=True)):
            try:
                picture = load_image(source)
            except ImageError as error:
                self.unreadable.append(Unreadable(name, str(error)))
                on_picture()
                continue
            colored = colored or _is_colored(picture.pixels)
            pixels = preprocess.pixels(picture.in_color(preprocess.color))
            digest.update(pixels.tobytes())
            distinct.add(hashlib.sha256(pixels.tobytes()).digest())
            grids.add(pixels)
            self._file.write(pixels.tobytes())
            kept.append(index)
            on_picture()
        self.pictures = pictures.subset(kept)
        self.sha256, self.distinct, self.spread, self.colored = digest.hexdigest(), len(distinct), grids.spread, colored

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Pixels]:
        return self.first(len(self))

    def first(self, count: int) -> Iterator[Pixels]:
        """At most `count` pictures, in order."""
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
    """How much a coarse grid of pixels varies from picture to picture."""

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


def _is_colored(picture: Image.Image) -> bool:
    """Whether the channels of an RGB picture differ by more than what JPEG makes of gray."""
    few = np.asarray(picture.resize((_GRID, _GRID), Image.Resampling.NEAREST)).astype(np.int16)
    return bool((np.ptp(few, axis=-1) > _GRAY_LEVELS).any())


def check_calibration(store: PixelStore, preprocess: Preprocess) -> list[str]:
    """What is doubtful about the calibration pictures, a line each. Raises DataError where they cannot do."""
    reasons = listed(map(str, store.unreadable), most=_LISTED, separator="; ")
    if store.distinct < MIN_CALIBRATION_PICTURES:
        raise DataError(
            f"{len(store)} calibration pictures, {store.distinct} of them different, say too little about the ranges; "
            f"give at least {MIN_CALIBRATION_PICTURES} different ones"
            + (f" (unreadable: {reasons})" if store.unreadable else "")
        )
    if store.spread < _ALIKE_LEVELS:
        raise DataError(
            f"the calibration pictures are all alike: they vary by {store.spread:.1f} of 255 levels; give pictures as "
            f"different as those that the model will see"
        )
    doubts = []
    if store.unreadable:
        doubts.append(f"{len(store.unreadable)} calibration pictures cannot be read and are left out ({reasons})")
    if store.distinct < len(store) / 2:
        doubts.append(f"only {store.distinct} of the {len(store)} calibration pictures are different")
    if preprocess.color == "RGB" and not store.colored:
        doubts.append("the calibration pictures are all gray, and the model takes color")
    if preprocess.color == "L" and store.colored:
        doubts.append("the calibration pictures are in color, and the model takes gray; they were converted")
    return doubts
