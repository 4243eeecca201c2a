"""Open a picture safely: path, bytes, file object, PIL image or array in; upright RGB or gray out.

The only room that decodes, and (with `preprocess`) the only one where Pillow's (width, height) order appears.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from edgekit.errors import ImageError

Color: TypeAlias = Literal["RGB", "L"]
Pixels: TypeAlias = npt.NDArray[np.uint8]
PictureSource: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | Pixels"

# JPEG first: Pillow tries them in this order, and the plugins behind WEBP are only imported when it is reached.
# JPEG covers MPO (stereo pictures, the first of which is read).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF")
_EXIF_ORIENTATION = 0x0112
# A baseline JPEG has at most 4 scans and usual progressive ones about 10; each further one costs a pass over the
# whole picture, so thousands of them in a small file take minutes.
_MAX_JPEG_SCANS = 100


class Size(NamedTuple):
    """Height and width in pixels, in this order, as in (N, H, W, C)."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a picture may cost before it is refused: file size in bytes, and height times width in pixels."""

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000


DEFAULT_LIMITS = Limits()


def load(source: PictureSource, *, color: Color = "RGB", limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """The picture, upright by its EXIF orientation, 8 bits a channel, in mode `color`.

    source: a path to a regular file, encoded bytes, a binary file object, a PIL image, or a uint8 array of shape
    (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA. Of several frames the first is taken. Transparency is laid
    on white; 16-bit gray is scaled by 1/257. Raises ImageError for everything that cannot be read or is refused.
    """
    if isinstance(source, np.ndarray):
        return _to_color(_from_array(source, limits), color)
    if isinstance(source, Image.Image):
        return _to_color(_upright(_decoded(source, limits, "the PIL image")), color)
    name, data = _read(source, limits)
    return _to_color(_upright(_decoded(_open(data, name), limits, name)), color)


def size_of(image: Image.Image) -> Size:
    """The picture's Size(height, width)."""
    return Size(image.height, image.width)


def _read(source: str | os.PathLike[str] | bytes | IO[bytes], limits: Limits) -> tuple[str, bytes]:
    """A name for messages, and the encoded bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        name, data = f"{len(source)} bytes", bytes(source)
    elif isinstance(source, str | os.PathLike):
        name, data = os.fspath(source), _read_regular_file(os.fspath(source), limits)
    elif hasattr(source, "read"):
        name, data = str(getattr(source, "name", "the file object")), source.read(limits.max_bytes + 1)
    else:
        raise ImageError(
            f"cannot read a picture from {type(source).__name__}; give a path, bytes, a binary file, "
            "a PIL image or a uint8 array"
        )
    if not isinstance(data, bytes):
        raise ImageError(f"{name}: reading gave {type(data).__name__}, not bytes; open the file in binary mode")
    if not data:
        raise ImageError(f"{name}: the file is empty")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{name}: larger than the limit of {limits.max_bytes} bytes; raise max_bytes to allow it")
    return name, data


def _read_regular_file(path: str, limits: Limits) -> bytes:
    try:
        # Not blocking, and looked at before reading: a FIFO would hang for ever and a device may never end.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ImageError(f"{path}: cannot be opened: {reason}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ImageError(f"{path}: not a regular file")
        try:
            return file.read(limits.max_bytes + 1)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read: {error.strerror}") from None


def _open(data: bytes, name: str) -> Image.Image:
    """The picture with its header read and its pixels not yet decoded."""
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise ImageError(f"{name}: refused: a JPEG of more than {_MAX_JPEG_SCANS} scans takes minutes to decode")
    try:
        return Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture of a known format ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: refused: far more pixels than any limit allows") from None
    except Exception as error:  # a decoder may raise anything at all on broken bytes
        raise ImageError(f"{name}: broken picture: {error}") from None


def _decoded(image: Image.Image, limits: Limits, name: str) -> Image.Image:
    _check_size(size_of(image), limits, name)
    try:
        image.load()
    except Exception as error:  # as above: struct.error, SyntaxError, OSError, EOFError, ...
        raise ImageError(f"{name}: broken picture: {error}") from None
    return image


def _check_size(size: Size, limits: Limits, name: str) -> None:
    if min(size) < 1:
        raise ImageError(f"{name}: the picture is {size}: it has no pixels")
    if size.height * size.width > limits.max_pixels:
        raise ImageError(
            f"{name}: {size} is more than the limit of {limits.max_pixels} pixels; raise max_pixels to allow it"
        )


def _from_array(array: npt.NDArray[Any], limits: Limits) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise ImageError(
            f"cannot take an array of dtype {array.dtype} and shape {shape}; "
            "give uint8 of (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA"
        )
    _check_size(Size(*shape[:2]), limits, "the array")
    return Image.fromarray(array[:, :, 0] if len(shape) == 3 and shape[2] == 1 else array)


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9)
    except Exception:  # a broken EXIF block says nothing about the orientation; the pixels are sound
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _to_color(image: Image.Image, color: Color) -> Image.Image:
    """The picture in mode `color`, untouched where it is so already (converting costs 28 ms at 12 megapixels)."""
    if image.mode == color:
        return image
    if image.mode == "F":
        raise ImageError("a picture of 32-bit floats has no known range; convert it to 8 bits first")
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        image = Image.new("RGBA", layered.size, "white")
        image.alpha_composite(layered)
    return image if image.mode == color else image.convert(color)


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit gray scaled to 8 bits: 65535 -> 255. Pillow's own conversion clips at 255 and answers white."""
    values = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.clip(np.rint(values / 257.0), 0, 255).astype(np.uint8))
