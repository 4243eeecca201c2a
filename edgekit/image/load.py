"""Open an image safely: path, bytes, file object, PIL image or array in; upright RGB or gray out.

The only room that decodes, and (with `preprocess`) the only one where Pillow's (width, height) order appears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgekit.errors import ImageError
from edgekit.image.color_modes import Color, to_color
from edgekit.image.decode_limits import (
    DEFAULT_LIMITS,
    REDUCED_JPEG_REACH,
    CountedFile,
    ImageLimits,
    TooManyReads,
    check_cost,
    check_header,
    check_loops,
    check_scans,
    check_size,
)
from edgekit.image.jpeg import count_scans, decodes_by_rows, is_jpeg
from edgekit.image.orientation import turn_of, upright_frame
from edgekit.image.size import Frame, Size, size_of
from edgekit.image.source import EncodedImage, ImageSource, read_encoded, reason

if TYPE_CHECKING:
    import numpy.typing as npt

Channels: TypeAlias = Literal["RGB", "BGR"]

# JPEG first: Pillow tries them in this order, and the plugins behind WEBP are only imported when it is reached.
# JPEG covers MPO (stereo images, the first of which is read).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF")


class LoadedImage(NamedTuple):
    """Upright pixels, 8 bits a channel, and the whole image that they stand for.

    pixels: in mode RGB or L. frame: the whole image among the pixels. encoded: its file and the limits that it was
    read under, where fewer pixels were decoded than it has; None where these are all.
    """

    pixels: Image.Image
    frame: Frame
    encoded: tuple[EncodedImage, ImageLimits] | None = None

    @classmethod
    def of(cls, pixels: Image.Image) -> LoadedImage:
        """A PIL image in mode RGB or L as the whole that it is."""
        return cls(pixels, Frame(size_of(pixels), (0, 0, pixels.width, pixels.height)))

    @property
    def size(self) -> Size:
        """Of the whole image, before any reduction."""
        return self.frame.size

    def in_full(self) -> LoadedImage | None:
        """The image with all its pixels, where fewer were decoded; None where they are too many, or all are here."""
        if self.encoded is None:
            return None
        encoded, limits = self.encoded
        try:
            return _open_encoded(encoded, limits).decode("L" if self.pixels.mode == "L" else "RGB")
        except ImageError:  # more pixels than are allowed in full: refused there, and well seen at reduced scale
            return None

    def in_color(self, color: Color) -> LoadedImage:
        """The same image in another mode."""
        return self if self.pixels.mode == color else self._replace(pixels=self.pixels.convert(color))


class OpenedImage(NamedTuple):
    """An image whose size is known and allowed; of a JPEG no pixels are decoded yet.

    size: upright. jpeg: the file, where the image is one.
    """

    name: str
    size: Size
    image: Image.Image
    limits: ImageLimits
    jpeg: EncodedImage | None = None

    def decode(self, color: Color = "RGB", *, enough: Size | None = None) -> LoadedImage:
        """The upright pixels, 8 bits a channel, in mode `color`.

        Transparency is laid on white; 16-bit gray is scaled by 1/257. enough: the upright size that is needed; a JPEG
        is decoded at the smallest of its scales (1/8, 1/4, 1/2, 1) that gives it, all of it by default. Raises
        ImageError for pixels that cannot be decoded, have no known range, or are refused.
        """
        image = self.image
        if self.jpeg is not None and not getattr(image, "tile", None):  # it was decoded before, perhaps reduced
            image = _read_header(self.jpeg.data, self.name)
        scale, in_file = 1, size_of(image)
        if self.jpeg is not None:
            scale = 1 if enough is None else _reduce(image, enough)
            reach = REDUCED_JPEG_REACH if scale > 1 and decodes_by_rows(self.jpeg.data) else 1
            check_cost(image, in_file, self.limits, self.name, reach=reach)
            _decode(image, self.limits, self.name)
        turn = turn_of(image)
        try:
            pixels = to_color(turn.upright(image), color)
        except Exception as error:  # Pillow knows no way from some modes to others, and asserts palettes that it lacks
            raise ImageError(f"{self.name}: an image in mode {image.mode} cannot be used: {reason(error)}") from None
        if scale == 1 or self.jpeg is None:
            return LoadedImage.of(pixels)
        return LoadedImage(pixels, upright_frame(in_file, scale, size_of(image), turn), (self.jpeg, self.limits))


def load_image(
    source: ImageSource, *, color: Color = "RGB", limits: ImageLimits = DEFAULT_LIMITS, channels: Channels = "RGB"
) -> LoadedImage:
    """All pixels of an image, upright by its EXIF orientation, 8 bits a channel, in mode `color`.

    The arguments and what is raised are those of `open_image` and of `OpenedImage.decode`.
    """
    return open_image(source, limits=limits, channels=channels).decode(color)


def open_image(source: ImageSource, *, limits: ImageLimits = DEFAULT_LIMITS, channels: Channels = "RGB") -> OpenedImage:
    """The image with its header read, its size known, and what cannot be afforded refused.

    source: a path to a regular file, encoded bytes, a binary file object, a PIL image, or a uint8 array of shape
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Of several frames the first is taken. A PIL image that is not decoded
    yet is decoded as Pillow does it: of a stranger's file give the path or the bytes. channels: the order in arrays,
    RGB(A) or, as OpenCV has them, BGR(A). Raises ImageError for everything that cannot be read or is refused.
    """
    if isinstance(source, np.ndarray):
        name, image = "the array", _from_array(source, limits, channels)
    elif isinstance(source, Image.Image):
        name, image = "the PIL image", _decode(source, limits, "the PIL image")
    else:
        return _open_encoded(read_encoded(source, max_bytes=limits.max_bytes), limits)
    return _opened(name, image, limits)


def _open_encoded(encoded: EncodedImage, limits: ImageLimits) -> OpenedImage:
    name, data = encoded
    image = _read_header(data, name)
    size = size_of(image)
    if is_jpeg(data):
        check_size(size, limits, name, reach=REDUCED_JPEG_REACH)
        check_scans(count_scans(data), size, name)
        return _opened(name, image, limits, encoded)
    check_loops(image, data, name)
    check_cost(image, size, limits, name)
    # Other formats know no reduced scale, and some of them turn themselves upright while they are decoded.
    return _opened(name, _decode(image, limits, name), limits)


def _opened(name: str, image: Image.Image, limits: ImageLimits, jpeg: EncodedImage | None = None) -> OpenedImage:
    return OpenedImage(name, turn_of(image).size(size_of(image)), image, limits, jpeg)


def _read_header(data: bytes, name: str) -> Image.Image:
    check_header(data, name)
    file = CountedFile(data)
    try:
        image = _identify(file, data)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image of a known format ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: refused: far more pixels than any limit allows") from None
    except Exception as error:  # a decoder may raise anything at all on broken bytes
        raise _broken(error, name) from None
    file.header_is_read()
    return image


def _identify(file: CountedFile, data: bytes) -> Image.Image:
    if is_jpeg(data):  # at once: Image.open first imports the plugins of other formats
        from PIL.JpegImagePlugin import jpeg_factory

        return jpeg_factory(file)
    return Image.open(file, formats=FORMATS)


def _reduce(jpeg: Image.Image, enough: Size) -> int:
    """Let the JPEG be decoded no smaller than enough, which is upright; the divisor of the scale that it has then."""
    height, width = turn_of(jpeg).size(enough)
    in_file = jpeg.width
    drafted = jpeg.draft(None, (width, height))
    return 1 if drafted is None else round(in_file / drafted[1][2])


def _decode(image: Image.Image, limits: ImageLimits, name: str) -> Image.Image:
    check_size(size_of(image), limits, name)
    try:
        image.load()
    except Exception as error:  # as above: struct.error, SyntaxError, OSError, EOFError, ...
        raise _broken(error, name) from None
    return image


def _from_array(array: npt.NDArray[Any], limits: ImageLimits, channels: Channels) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise ImageError(
            f"cannot take an array of dtype {array.dtype} and shape {shape}; "
            "give uint8 of (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA"
        )
    check_size(Size(*shape[:2]), limits, "the array")
    if len(shape) == 3 and shape[2] == 1:
        array = array[:, :, 0]
    elif len(shape) == 3 and channels == "BGR":
        # Pillow exchanges the channels 10 times as fast as numpy.
        mode, raw = ("RGB", "BGR") if shape[2] == 3 else ("RGBA", "BGRA")
        return Image.frombuffer(mode, shape[1::-1], np.ascontiguousarray(array), "raw", raw, 0, 1)
    return Image.fromarray(array)


def _broken(error: Exception, name: str) -> ImageError:
    kind = "" if isinstance(error, TooManyReads) else "broken image: "
    return ImageError(f"{name}: {kind}{reason(error)}")
