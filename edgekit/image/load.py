"""Safe loading of images: path, bytes, file object, PIL image or array in; upright RGB or gray pixels out.

Pillow's (width, height) order appears in this package and in `preprocess` only.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from PIL import Image, UnidentifiedImageError

from edgekit.errors import DataWarning, ImageError, SpecError, quote, unknown
from edgekit.image.color_modes import Color, small_maximum, to_color
from edgekit.image.decode_errors import undecodable, unidentified
from edgekit.image.decode_limits import (
    DEFAULT_LIMITS,
    REDUCED_JPEG_ALLOWANCE,
    CountedFile,
    ImageLimits,
    check_cost,
    check_header,
    check_limits,
    check_loops,
    check_scans,
    check_size,
)
from edgekit.image.formats import FORMATS, is_camera_raw, is_heif
from edgekit.image.jpeg import JpegHeader, count_scans, header_of, is_jpeg
from edgekit.image.orientation import Orientation, orientation_of, upright_frame
from edgekit.image.size import Frame, Size, size_of
from edgekit.image.source import EncodedImage, ImageSource, error_text, read_encoded

if TYPE_CHECKING:
    import numpy.typing as npt

Channels: TypeAlias = Literal["RGB", "BGR"]


class LoadedImage(NamedTuple):
    """Upright 8-bit pixels, decoded in full or at reduced scale, and how they relate to the full image.

    Attributes:
        pixels: PIL image in mode RGB or L.
        frame: where the full image lies in `pixels`, and its full size.
        encoded: the file and the limits it was read under, if it was decoded at reduced scale; else None.
    """

    pixels: Image.Image
    frame: Frame
    encoded: tuple[EncodedImage, ImageLimits] | None = None

    @classmethod
    def of(cls, pixels: Image.Image) -> LoadedImage:
        """Wrap a PIL image in mode RGB or L that is complete."""
        return cls(pixels, Frame(size_of(pixels), (0, 0, pixels.width, pixels.height)))

    @property
    def size(self) -> Size:
        """Size of the full image, before any reduction."""
        return self.frame.size

    def in_full(self) -> LoadedImage | None:
        """Decode a reduced image again at full scale; None if it is not reduced, or too large to decode in full."""
        if self.encoded is None:
            return None
        encoded, limits = self.encoded
        try:
            return _open_encoded(encoded, limits).decode("L" if self.pixels.mode == "L" else "RGB")
        except ImageError:  # allowed at reduced scale, but more pixels than are allowed in full
            return None

    def in_color(self, color: Color) -> LoadedImage:
        """Return the same image in mode `color`."""
        return self if self.pixels.mode == color else self._replace(pixels=self.pixels.convert(color))


class OpenedImage(NamedTuple):
    """An image whose size is known and within the limits. The pixels of a JPEG are not decoded yet.

    Attributes:
        name: what messages call the image.
        size: upright size.
        image: the PIL image, not turned.
        orientation: how it is turned upright.
        limits: what decoding may cost.
        jpeg: the file, if it is a JPEG; else None.
        header: the header of that file.
    """

    name: str
    size: Size
    image: Image.Image
    orientation: Orientation
    limits: ImageLimits
    jpeg: EncodedImage | None = None
    header: JpegHeader | None = None

    @classmethod
    def of(
        cls,
        name: str,
        image: Image.Image,
        limits: ImageLimits,
        *,
        jpeg: EncodedImage | None = None,
        header: JpegHeader | None = None,
    ) -> OpenedImage:
        """Wrap a PIL image whose header, or all of it, is read."""
        orientation = orientation_of(image)
        return cls(name, orientation.upright_size(size_of(image)), image, orientation, limits, jpeg, header)

    def decode(self, color: Color = "RGB", *, min_size: Size | None = None) -> LoadedImage:
        """Decode the pixels and turn them upright. Transparency is composited on white; 16-bit gray is divided by 257.

        Args:
            color: mode of the result, "RGB" or "L" (gray).
            min_size: upright size that suffices. A JPEG is decoded at the smallest of its scales (1/8, 1/4, 1/2, 1)
                that is no smaller. By default, and for all other formats, the image is decoded in full.

        Raises:
            ImageError: the pixels cannot be decoded, have no known range, or exceed the limits.
        """
        image = self.image
        if self.jpeg is not None and not getattr(image, "tile", None):  # decoded before, perhaps at reduced scale
            image = _read_header(self.jpeg.data, self.name, self.header)
        scale, stored_size = 1, size_of(image)
        if self.header is not None:
            scale = 1 if min_size is None else _reduce(image, self.orientation.upright_size(min_size))
            allowance = REDUCED_JPEG_ALLOWANCE if scale > 1 and self.header.by_rows else 1
            check_cost(image, stored_size, self.limits, self.name, allowance=allowance)
            _decode(image, self.limits, self.name)
        maximum = small_maximum(image)
        if maximum is not None:
            warnings.warn(
                f"{self.name}: the 16-bit values reach only {maximum} of 65535, so the image is almost black; "
                f"if its sensor has fewer bits, scale it to 8 bits first",
                DataWarning,
                stacklevel=2,
            )
        try:
            pixels = to_color(self.orientation.upright(image), color)
        except Exception as error:  # Pillow has no conversion between some modes, and asserts on a missing palette
            raise ImageError(f"{self.name}: cannot convert mode {image.mode} to {color}: {error_text(error)}") from None
        if scale == 1 or self.jpeg is None:
            return LoadedImage.of(pixels)
        frame = upright_frame(stored_size, scale, size_of(image), self.orientation)
        return LoadedImage(pixels, frame, (self.jpeg, self.limits))


def load_image(
    source: ImageSource, *, color: Color = "RGB", limits: ImageLimits = DEFAULT_LIMITS, channels: Channels = "RGB"
) -> LoadedImage:
    """Load an image in full, upright as its EXIF orientation says, with 8 bits per channel.

    Args:
        source: path to a regular file, encoded bytes, binary file object, PIL image, or uint8 array of shape (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4). The first frame of an animation is used. Pass untrusted images as a path
            or bytes: an opened PIL image that is not decoded yet is decoded by Pillow without the checks made here.
        color: mode of the pixels, "RGB" or "L" (gray).
        limits: largest file size in bytes and largest image in pixels.
        channels: channel order of arrays: "RGB" (also RGBA), or "BGR" (also BGRA) as in OpenCV.

    Returns:
        The image; `pixels` is a PIL image in mode `color`, `size` its height and width.

    Raises:
        ImageError: the image cannot be read or decoded, or exceeds the limits.
        SpecError: `color`, `limits` or `channels` is not valid.

    Example:
        >>> from edgekit import load_image
        >>> image = load_image("photo.jpg")
        >>> image.size
        Size(height=640, width=640)
        >>> image.pixels.mode
        'RGB'
    """
    for kind, value, known in (("color", color, get_args(Color)), ("channels", channels, get_args(Channels))):
        if value not in known:
            raise SpecError(unknown(f"`{kind}`", value, known))
    check_limits("limits", limits, ImageLimits)
    return open_image(source, limits=limits, channels=channels).decode(color)


def open_image(source: ImageSource, *, limits: ImageLimits = DEFAULT_LIMITS, channels: Channels = "RGB") -> OpenedImage:
    """Read the header of an image and check it against the limits; a JPEG is not decoded yet.

    Args:
        source: as in `load_image`.
        limits: as in `load_image`.
        channels: as in `load_image`.

    Raises:
        ImageError: the image cannot be read, or exceeds the limits.
    """
    if isinstance(source, np.ndarray):
        return OpenedImage.of("array", _from_array(source, limits, channels), limits)
    if isinstance(source, Image.Image):
        return OpenedImage.of("PIL image", _decode(source, limits, "PIL image"), limits)
    return _open_encoded(read_encoded(source, max_bytes=limits.max_bytes), limits)


def _open_encoded(encoded: EncodedImage, limits: ImageLimits) -> OpenedImage:
    name, data = encoded
    header = header_of(data) if is_jpeg(data) else None
    check_header(data, name, jpeg=header)
    image = _read_header(data, name, header)
    size = size_of(image)
    if header is not None:
        check_size(size, limits, name, allowance=REDUCED_JPEG_ALLOWANCE)
        check_scans(count_scans(data, header), size, name)
        return OpenedImage.of(name, image, limits, jpeg=encoded, header=header)
    check_loops(image, data, name)
    check_cost(image, size, limits, name)
    # Other formats have no reduced scale, and Pillow turns some of them upright while it decodes them.
    return OpenedImage.of(name, _decode(image, limits, name), limits)


def _read_header(data: bytes, name: str, jpeg: JpegHeader | None) -> Image.Image:
    # Not counted if it is certain that a JPEG has few parts: counting takes 1% of a prediction.
    file = BytesIO(data) if jpeg is not None and jpeg.is_certain else CountedFile(data)
    try:
        image = _identify(file, data)
    except UnidentifiedImageError:
        raise unidentified(data, name) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: refused: far more pixels than any limit allows") from None
    except Exception as error:  # a decoder may raise anything on broken bytes
        raise undecodable(error, name, data=data) from None
    if is_camera_raw(getattr(image, "tag_v2", None)):
        raise ImageError(f"{name}: a camera raw, of which only the thumbnail can be read; convert it to JPEG or PNG")
    if isinstance(file, CountedFile):
        file.allow_pixel_reads()
    return image


def _identify(file: BytesIO, data: bytes) -> Image.Image:
    if is_jpeg(data):  # directly, because Image.open would import the plugins of other formats first
        from PIL.JpegImagePlugin import jpeg_factory

        return jpeg_factory(file)
    if is_heif(data):
        return _open_heif(file)
    return Image.open(file, formats=FORMATS)


def _open_heif(file: BytesIO) -> Image.Image:
    """Open a HEIF file without registering its decoder in Pillow, which other code in the process uses as well."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnidentifiedImageError from None
    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


def _reduce(jpeg: Image.Image, min_size: Size) -> int:
    """Set the scale at which the JPEG will be decoded, and return its divisor. min_size: as stored, not upright."""
    full_width = jpeg.width
    draft = jpeg.draft(None, (min_size.width, min_size.height))
    return 1 if draft is None else round(full_width / draft[1][2])


def _decode(image: Image.Image, limits: ImageLimits, name: str) -> Image.Image:
    check_size(size_of(image), limits, name)
    try:
        image.load()
    except Exception as error:  # struct.error, SyntaxError, OSError, EOFError, ...
        raise undecodable(error, name) from None
    return image


def _from_array(array: npt.NDArray[Any], limits: ImageLimits, channels: Channels) -> Image.Image:
    shape = array.shape
    if array.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise ImageError(
            "an image array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) "
            f"(got {quote(array.dtype)} of shape {quote(shape)})"
        )
    check_size(Size(*shape[:2]), limits, "array")
    if len(shape) == 3 and shape[2] == 1:
        array = array[:, :, 0]
    elif len(shape) == 3 and channels == "BGR":
        # Pillow swaps the channels 10 times as fast as numpy.
        mode, raw = ("RGB", "BGR") if shape[2] == 3 else ("RGBA", "BGRA")
        return Image.frombuffer(mode, shape[1::-1], np.ascontiguousarray(array), "raw", raw, 0, 1)
    return Image.fromarray(array)
