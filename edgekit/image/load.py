"""Open a picture safely: path, bytes, file object, PIL image or array in; upright RGB or gray out.

The only room that decodes, and (with `preprocess`) the only one where Pillow's (width, height) order appears.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgekit.errors import ImageError
from edgekit.files import read_regular_file
from edgekit.image.color_modes import Color, to_color
from edgekit.image.decode_limits import CountedFile, TooManyReads, is_split_up, takes_minutes
from edgekit.image.jpeg import count_scans, decodes_by_rows, is_jpeg

if TYPE_CHECKING:
    import numpy.typing as npt

Channels: TypeAlias = Literal["RGB", "BGR"]
Pixels: TypeAlias = "npt.NDArray[np.uint8]"
PictureSource: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | Pixels"

# JPEG first: Pillow tries them in this order, and the plugins behind WEBP are only imported when it is reached.
# JPEG covers MPO (stereo pictures, the first of which is read).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF")
_EXIF_ORIENTATION = 0x0112
# A baseline JPEG has at most 4 scans and usual progressive ones about 10; each further one costs a pass over the
# whole picture, so thousands of them in a small file take minutes.
_MAX_JPEG_SCANS = 100
_HUNGRY_FORMATS, _HUNGRY_MODES = frozenset({"WEBP", "AVIF"}), frozenset({"CMYK", "I"})
_USUAL_JPEG_SCANS = 20  # CMYK has 18
_MAX_SCANNED_PIXELS = 400_000_000  # pixels times scans: about 3 s
# A JPEG that decodes by rows costs at reduced scale little memory and a third of the time.
_REDUCED_JPEG_REACH = 4
# Attributes of a picture that was decoded at reduced scale: its Frame, and how to decode all of it.
_FRAME, _IN_FULL = "edgekit_frame", "edgekit_in_full"


class _Turn(NamedTuple):
    """What makes a picture upright, and which edges those become that were its right and its lower one."""

    transpose: Image.Transpose
    right: str
    bottom: str

    @property
    def aside(self) -> bool:
        """Whether it exchanges height and width."""
        return self.right in ("top", "bottom")


# By EXIF's orientation.
_TURNS = {
    2: _Turn(Image.Transpose.FLIP_LEFT_RIGHT, "left", "bottom"),
    3: _Turn(Image.Transpose.ROTATE_180, "left", "top"),
    4: _Turn(Image.Transpose.FLIP_TOP_BOTTOM, "right", "top"),
    5: _Turn(Image.Transpose.TRANSPOSE, "bottom", "right"),
    6: _Turn(Image.Transpose.ROTATE_270, "bottom", "left"),
    7: _Turn(Image.Transpose.TRANSVERSE, "top", "left"),
    8: _Turn(Image.Transpose.ROTATE_90, "top", "right"),
}


class Size(NamedTuple):
    """Height and width in pixels, in this order, as in (N, H, W, C)."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Frame(NamedTuple):
    """The whole picture behind the decoded pixels.

    size: before any reduction. box: where it lies among the pixels (left, top, right, bottom). Of 4001 columns at an
    eighth there are 501, and only an eighth of the last one is the picture's: without that, all others are shifted.
    """

    size: Size
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a picture may cost before it is refused: file size in bytes, and height times width in pixels.

    Of WEBP, AVIF, CMYK and 32-bit gray half the pixels are allowed: they are held several times. A JPEG that is
    decoded at reduced scale may have 4 times as many, if no more than max_pixels of it are decoded and it is not
    progressive.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000


DEFAULT_LIMITS = Limits()


def load(
    source: PictureSource,
    *,
    color: Color = "RGB",
    limits: Limits = DEFAULT_LIMITS,
    channels: Channels = "RGB",
    needed: Callable[[Size], Size] | None = None,
) -> Image.Image:
    """The picture, upright by its EXIF orientation, 8 bits a channel, in mode `color`.

    source: a path to a regular file, encoded bytes, a binary file object, a PIL image, or a uint8 array of shape
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Of several frames the first is taken. A PIL image that is not decoded
    yet is decoded as Pillow does it: of a stranger's file give the path or the bytes. Transparency is laid on white;
    16-bit gray is scaled by 1/257. channels: the order in arrays, RGB(A) or, as OpenCV has them, BGR(A). needed: from
    the upright size of an encoded picture to the size that is enough: a JPEG is decoded at the smallest of its scales
    (1/8, 1/4, 1/2, 1) that gives it. Raises ImageError for everything that cannot be read or is refused.
    """
    scale = 1
    if isinstance(source, np.ndarray):
        name, image = "the array", _from_array(source, limits, channels)
    elif isinstance(source, Image.Image):
        name, image = "the PIL image", _decoded(source, limits, "the PIL image")
    else:
        name, data = _read(source, limits)
        opened, size, scale = _open(data, name, limits, needed)
        image = _decoded(opened, limits, name)
    try:
        picture = to_color(_upright(image), color)
        if scale > 1:
            setattr(picture, _FRAME, _frame(size, scale, Size(image.height, image.width), _orientation(image)))
            setattr(picture, _IN_FULL, lambda: load(data, color=color, limits=limits))
        return picture
    except Exception as error:  # Pillow knows no way from some modes to others, and asserts palettes that are missing
        raise ImageError(f"{name}: a picture in mode {image.mode} cannot be used: {_said(error)}") from None


def size_of(image: Image.Image) -> Size:
    """The picture's Size(height, width); of one that `load` decoded at reduced scale, the whole's."""
    return frame_of(image).size


def in_full(image: Image.Image) -> Image.Image | None:
    """The picture with all its pixels, where `load` decoded fewer; None where it did not, or they are too many."""
    decode: Callable[[], Image.Image] | None = getattr(image, _IN_FULL, None)
    try:
        return None if decode is None else decode()
    except ImageError:  # more pixels than are allowed in full: refused there, and well seen at reduced scale
        return None


def in_color(image: Image.Image, color: Color) -> Image.Image:
    """A picture of `load` in another mode."""
    if image.mode == color:
        return image
    converted = image.convert(color)
    if hasattr(image, _FRAME):
        setattr(converted, _FRAME, frame_of(image))
    return converted


def frame_of(image: Image.Image) -> Frame:
    """The whole that a picture of `load` stands for: itself, unless it was decoded at reduced scale."""
    frame: Frame | None = getattr(image, _FRAME, None)
    return frame or Frame(Size(image.height, image.width), (0, 0, image.width, image.height))


def _read(source: str | os.PathLike[str] | bytes | IO[bytes], limits: Limits) -> tuple[str, bytes]:
    """A name for messages, and the encoded bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        name, data = f"{len(source)} bytes", bytes(source)
    elif isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        data = read_regular_file(name, max_bytes=limits.max_bytes, error=ImageError)
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", "the file object"))
        data = _read_file_object(source, name, limits)
    else:
        raise ImageError(
            f"cannot read a picture from {type(source).__name__}; give a path, bytes, a binary file, "
            "a PIL image or a uint8 array"
        )
    if not data:
        raise ImageError(f"{name}: the file is empty")
    if len(data) > limits.max_bytes:
        raise ImageError(f"{name}: larger than the limit of {limits.max_bytes} bytes; raise max_bytes to allow it")
    return name, data


def _read_file_object(file: IO[bytes], name: str, limits: Limits) -> bytes:
    """All of it, as far as the limit: a pipe or a socket answers in pieces."""
    pieces, left = [], limits.max_bytes + 1
    while left > 0:
        try:
            piece = file.read(left)
        except (OSError, ValueError) as error:  # closed, not readable, gone
            raise ImageError(f"{name}: cannot be read: {_said(error)}") from None
        if not isinstance(piece, bytes):
            raise ImageError(f"{name}: reading gave {type(piece).__name__}, not bytes; open the file in binary mode")
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _open(
    data: bytes, name: str, limits: Limits, needed: Callable[[Size], Size] | None
) -> tuple[Image.Image, Size, int]:
    """The picture with its header read, within the limits, and its pixels not yet decoded; its size; its reduction."""
    image = _with_header(data, name)
    size, reach, scale = size_of(image), 1, 1
    if is_jpeg(data):
        _check_size(size, limits, name, reach=_REDUCED_JPEG_REACH)
        _check_scans(count_scans(data), size, name)
        if needed is not None:
            scale = _reduce(image, needed)
            reach = _REDUCED_JPEG_REACH if scale > 1 and decodes_by_rows(data) else 1
    if takes_minutes(image, data):
        raise ImageError(
            f"{name}: refused: a {image.format} of {size} like this takes minutes to decode; save it as PNG"
        )
    hungry = image.format in _HUNGRY_FORMATS or image.mode in _HUNGRY_MODES
    _check_size(size, limits, name, share=2 if hungry else 1, reach=reach)
    return image, size, scale


def _with_header(data: bytes, name: str) -> Image.Image:
    if is_split_up(data):
        raise ImageError(f"{name}: refused: its header has far more parts than any picture's; save it as PNG")
    file = CountedFile(data)
    try:
        image = _opened(file, data)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture of a known format ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: refused: far more pixels than any limit allows") from None
    except Exception as error:  # a decoder may raise anything at all on broken bytes
        raise _broken(error, name) from None
    file.header_is_read()
    return image


def _opened(file: CountedFile, data: bytes) -> Image.Image:
    if is_jpeg(data):  # at once: Image.open first imports the plugins of other formats
        from PIL.JpegImagePlugin import jpeg_factory

        return jpeg_factory(file)
    return Image.open(file, formats=FORMATS)


def _reduce(jpeg: Image.Image, needed: Callable[[Size], Size]) -> int:
    """Let the JPEG be decoded no larger than needed, at one part in how many of its size is the answer.

    `needed` is of upright pictures, the file may be turned.
    """
    turn, whole = _TURNS.get(_orientation(jpeg)), jpeg.width
    aside = turn is not None and turn.aside
    height, width = needed(Size(jpeg.width, jpeg.height) if aside else size_of(jpeg))
    drafted = jpeg.draft(None, (height, width) if aside else (width, height))
    return 1 if drafted is None else round(whole / drafted[1][2])


def _frame(size: Size, scale: int, decoded: Size, orientation: int) -> Frame:
    """Of a picture of that size in its file, and decoded to so many pixels, when it has been made upright."""
    turn = _TURNS.get(orientation)
    beyond = dict.fromkeys(("left", "top", "right", "bottom"), 0.0)
    beyond[turn.right if turn else "right"] = decoded.width - size.width / scale
    beyond[turn.bottom if turn else "bottom"] = decoded.height - size.height / scale
    if turn is not None and turn.aside:
        size, decoded = Size(size.width, size.height), Size(decoded.width, decoded.height)
    right, bottom = decoded.width - beyond["right"], decoded.height - beyond["bottom"]
    return Frame(size, (beyond["left"], beyond["top"], right, bottom))


def _check_scans(scans: int, size: Size, name: str) -> None:
    allowed = min(_MAX_JPEG_SCANS, max(_USUAL_JPEG_SCANS, _MAX_SCANNED_PIXELS // (size.height * size.width)))
    if scans > allowed:
        raise ImageError(f"{name}: refused: a JPEG of {scans} scans takes minutes to decode; {allowed} are allowed")


def _decoded(image: Image.Image, limits: Limits, name: str) -> Image.Image:
    _check_size(size_of(image), limits, name)
    try:
        image.load()
    except Exception as error:  # as above: struct.error, SyntaxError, OSError, EOFError, ...
        raise _broken(error, name) from None
    return image


def _check_size(size: Size, limits: Limits, name: str, *, share: int = 1, reach: int = 1) -> None:
    """share: how many times the picture counts. reach: how many times the limit is allowed."""
    if min(size) < 1:
        raise ImageError(f"{name}: the picture is {size}: it has no pixels")
    allowed = limits.max_pixels * reach // share
    if size.height * size.width > allowed:
        raise ImageError(f"{name}: {size} is more than the limit of {allowed} pixels; raise max_pixels to allow it")


def _from_array(array: npt.NDArray[Any], limits: Limits, channels: Channels) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise ImageError(
            f"cannot take an array of dtype {array.dtype} and shape {shape}; "
            "give uint8 of (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA"
        )
    _check_size(Size(*shape[:2]), limits, "the array")
    if len(shape) == 3 and shape[2] == 1:
        array = array[:, :, 0]
    elif len(shape) == 3 and channels == "BGR":
        # Pillow exchanges the channels 10 times as fast as numpy.
        mode, raw = ("RGB", "BGR") if shape[2] == 3 else ("RGBA", "BGRA")
        return Image.frombuffer(mode, shape[1::-1], np.ascontiguousarray(array), "raw", raw, 0, 1)
    return Image.fromarray(array)


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn.transpose)


def _orientation(image: Image.Image) -> int:
    """What EXIF says, 1 (upright) where it says nothing that can be read."""
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block says nothing about the orientation; the pixels are sound
        return 1
    return orientation if isinstance(orientation, int) else 1


def _broken(error: Exception, name: str) -> ImageError:
    kind = "" if isinstance(error, TooManyReads) else "broken picture: "
    return ImageError(f"{name}: {kind}{_said(error)}")


def _said(error: Exception) -> str:
    """What a decoder's error says; some say nothing."""
    return str(error) or type(error).__name__
