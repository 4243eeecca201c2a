"""Limits on what an image may cost: bytes, pixels, JPEG scans, and files that keep Pillow's own loops busy for minutes.

All decompression bombs are refused here, except that `source` checks the file size while reading. `load` calls these
checks before it decodes.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from edgekit.errors import ImageError, SpecError, must_be
from edgekit.image.jpeg import JpegHeader
from edgekit.image.size import Size, size_of

# Formats and modes of which several copies of the pixels are in memory during decoding.
_MULTI_COPY_FORMATS, _MULTI_COPY_MODES = frozenset({"WEBP", "AVIF"}), frozenset({"CMYK", "I"})
# How much larger a JPEG that decodes by rows may be at reduced scale, which takes little memory and 1/3 of the time.
REDUCED_JPEG_ALLOWANCE = 4
# A baseline JPEG has at most 4 scans and a typical progressive one about 10. Every further scan costs one pass over the
# whole image, so a small file with thousands of them takes minutes.
_TYPICAL_JPEG_SCANS, _MAX_JPEG_SCANS = 20, 100  # progressive CMYK has 18
_MAX_SCANNED_PIXELS = 400_000_000  # pixels times scans: about 3 s
# Reads of a file, first for its header and then for its pixels. A typical image takes a hundred. Each read may belong
# to a part that costs some microseconds, or to a run of equal pixels.
_MAX_HEADER_READS, _MAX_READS = 2**17, 2**20
_MAX_LINE_ENDS = 2**23  # pixels of a run-length encoded BMP: after the end of a line the rest is filled one by one
_MAX_RUN_WIDTH = 2**16  # a jump fills up to 255 rows with black before Pillow checks where the image ends
_MAX_SCALED_VALUES = 2**20  # pixels times channels of a PPM with a maximum other than 255: about 2 s
_MAX_TEXT_VALUES = 2**21  # pixels times channels of a PPM in text form: likewise
_MAX_COMMENTS = 100  # of a PPM in text form; removing one copies up to a megabyte
_MAX_EXIF_BLOCKS = 100  # of a JPEG; each one is copied again for every later one
_MAX_STRIPS = 2**18  # of a TIFF; 50 megapixels in tiles of 16x16 are fewer
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324


class ImageLimits(NamedTuple):
    """The largest images that are decoded; larger ones raise ImageError.

    WEBP, AVIF, CMYK and 32-bit gray images may have half of `max_pixels`, because several copies of their pixels are in
    memory during decoding. A non-progressive JPEG that is decoded at reduced scale may have 4 times as many, if no more
    than `max_pixels` of them are decoded.

    Attributes:
        max_bytes: file size in bytes.
        max_pixels: height times width.

    Example:
        >>> from edgekit import ImageLimits
        >>> ImageLimits(max_pixels=100_000_000)
        ImageLimits(max_bytes=67108864, max_pixels=100000000)
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000


DEFAULT_LIMITS = ImageLimits()


def check_limits(name: str, limits: object, kind: type[tuple[int, ...]]) -> None:
    """Raises SpecError for an argument `name` that is not of this kind, or not all integers from 1."""
    if not isinstance(limits, kind) or not all(isinstance(limit, int) and limit >= 1 for limit in limits):
        raise SpecError(must_be(name, f"{kind.__name__} of integers from 1", limits))


def check_size(size: Size, limits: ImageLimits, name: str, *, copies: int = 1, allowance: int = 1) -> None:
    """Refuse an image with no pixels or too many.

    Args:
        size: of the image, or of what is decoded of it.
        limits: what is allowed.
        name: what messages call the image.
        copies: of the pixels, in memory during decoding; the limit is divided by it.
        allowance: what the limit is multiplied by.

    Raises:
        ImageError: the image is refused.
    """
    if min(size) < 1:
        raise ImageError(f"{name}: the image has no pixels (its size is {size})")
    max_pixels = limits.max_pixels * allowance // copies
    if size.height * size.width > max_pixels:
        raise ImageError(
            f"{name}: {size} is more than the limit of {max_pixels} pixels; raise `max_pixels` to allow it"
        )


def check_cost(image: Image.Image, size: Size, limits: ImageLimits, name: str, *, allowance: int = 1) -> None:
    """Apply `check_size` to an image whose header has been read, with the copies that its format and mode need."""
    multi_copy = image.format in _MULTI_COPY_FORMATS or image.mode in _MULTI_COPY_MODES
    check_size(size, limits, name, copies=2 if multi_copy else 1, allowance=allowance)


def check_scans(scans: int, size: Size, name: str) -> None:
    """Raise ImageError for a JPEG with so many scans that decoding it takes minutes."""
    allowed = min(_MAX_JPEG_SCANS, max(_TYPICAL_JPEG_SCANS, _MAX_SCANNED_PIXELS // (size.height * size.width)))
    if scans > allowed:
        raise ImageError(
            f"{name}: refused: a JPEG with {scans} scans takes minutes to decode (at most {allowed} are allowed for "
            "its size); save it as PNG"
        )


class TooManyReads(Exception):  # noqa: N818  (named after the event)
    """A decoder has read the file in more pieces than any real image needs."""

    def __init__(self) -> None:
        super().__init__("refused: the file has more parts than any real image; save it as PNG")


class CountedFile(BytesIO):
    """A file in memory that raises TooManyReads. Every loop over the parts of a file reads it part by part."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._remaining = _MAX_HEADER_READS

    def allow_pixel_reads(self) -> None:
        """Restart the count with the limit for pixels, after the header has been read."""
        self._remaining = _MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as from any file, and count the call."""
        self._remaining -= 1
        if self._remaining < 0:
            raise TooManyReads
        return super().read(size)


def check_header(data: bytes, name: str, *, jpeg: JpegHeader | None = None) -> None:
    """Refuse an image whose header has more parts than can be read in seconds.

    Args:
        data: content of the file.
        name: what messages call the image.
        jpeg: the header of a JPEG.

    Raises:
        ImageError: the image is refused.
    """
    if jpeg is not None:
        too_many_parts = data.count(b"Exif\0\0", 0, jpeg.length) > _MAX_EXIF_BLOCKS
    else:
        too_many_parts = _tiff_strips(data) > _MAX_STRIPS
    if too_many_parts:
        raise ImageError(f"{name}: refused: the header has far more parts than any real image's; save it as PNG")


def check_loops(image: Image.Image, data: bytes, name: str) -> None:
    """Refuse an image on which Pillow's decoders written in Python may spend minutes.

    Args:
        image: with its header read; not decoded yet.
        data: the file that it was opened from.
        name: what messages call the image.

    Raises:
        ImageError: the image is refused.
    """
    pixels, decoders = image.width * image.height, {tile.codec_name for tile in getattr(image, "tile", ())}
    values, takes_minutes = pixels * len(image.getbands()), False
    if "bmp_rle" in decoders:
        takes_minutes = pixels > _MAX_LINE_ENDS or image.width > _MAX_RUN_WIDTH
    elif "ppm" in decoders:
        takes_minutes = values > _MAX_SCALED_VALUES
    elif "ppm_plain" in decoders:
        takes_minutes = values > _MAX_TEXT_VALUES or data.count(b"#") > _MAX_COMMENTS
    if takes_minutes:
        raise ImageError(
            f"{name}: refused: a {image.format} file of this kind ({size_of(image)}) takes minutes to decode; "
            "save it as PNG"
        )


def _tiff_strips(data: bytes) -> int:
    """Return the number of strips or tiles that the first directory of a TIFF declares; 0 for other files."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return 0
    if data[2] == 43:  # BigTIFF, with fields twice as wide. Pillow checks this byte too, and so reads MM as classic
        offset, count_format, entry_format = struct.unpack_from(f"{order}Q", data, 8)[0], f"{order}Q", f"{order}HHQQ"
    else:
        offset, count_format, entry_format = struct.unpack_from(f"{order}I", data, 4)[0], f"{order}H", f"{order}HHII"
    if offset + struct.calcsize(count_format) > len(data):
        return 0
    start, size = offset + struct.calcsize(count_format), struct.calcsize(entry_format)
    entries = min(struct.unpack_from(count_format, data, offset)[0], 2**16, (len(data) - start) // size)
    directory = struct.iter_unpack(entry_format, data[start : start + entries * size])
    return max((count for tag, _, count, _ in directory if tag in (_STRIP_OFFSETS, _TILE_OFFSETS)), default=0)
