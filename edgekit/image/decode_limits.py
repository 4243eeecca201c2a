"""What an image may cost: bytes and pixels, scans of a JPEG, and what keeps Pillow's own loops busy for minutes.

Every refusal of an image bomb is here, but for the size of its file, which `source` checks while it reads. `load` calls
the checks before it decodes.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from edgekit.errors import ImageError
from edgekit.image.jpeg import header_of, is_jpeg
from edgekit.image.size import Size, size_of

# Formats and modes whose pixels are held several times while they are decoded.
_HUNGRY_FORMATS, _HUNGRY_MODES = frozenset({"WEBP", "AVIF"}), frozenset({"CMYK", "I"})
# A JPEG that decodes by rows costs at reduced scale little memory and a third of the time: so many times the limit.
REDUCED_JPEG_REACH = 4
# A baseline JPEG has at most 4 scans and usual progressive ones about 10; each further one costs a pass over the
# whole image, so thousands of them in a small file take minutes.
_USUAL_JPEG_SCANS, _MAX_JPEG_SCANS = 20, 100  # CMYK has 18
_MAX_SCANNED_PIXELS = 400_000_000  # pixels times scans: about 3 s
# Reads of a file, for its header and then for its pixels. A usual image takes a hundred; each may be of a part that
# costs some microseconds, or of a run of equal pixels.
_MAX_HEADER_READS, _MAX_READS = 2**17, 2**20
_MAX_LINE_ENDS = 2**23  # pixels of a BMP in runs: those behind the end of a line are filled in one by one
_MAX_RUN_WIDTH = 2**16  # a jump over up to 255 rows is filled with black before the end of the image is looked for
_MAX_SCALED_VALUES = 2**20  # pixels times channels, of another maximum than 255: about 2 s
_MAX_TEXT_VALUES = 2**21  # pixels times channels, where each is written as text: the same
_MAX_COMMENTS = 100  # in text, each is cut out of a megabyte
_MAX_EXIF_BLOCKS = 100  # of a JPEG, each is copied for every later one
_MAX_STRIPS = 2**18  # of a TIFF; 50 megapixels in tiles of 16x16 are fewer
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324


class ImageLimits(NamedTuple):
    """What an image may cost before it is refused: file size in bytes, and height times width in pixels.

    Of WEBP, AVIF, CMYK and 32-bit gray half the pixels are allowed: they are held several times. A JPEG that is
    decoded at reduced scale may have 4 times as many, if no more than max_pixels of it are decoded and it is not
    progressive.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000


DEFAULT_LIMITS = ImageLimits()


def check_size(size: Size, limits: ImageLimits, name: str, *, share: int = 1, reach: int = 1) -> None:
    """Raises ImageError, naming the image, for no pixels and for too many.

    share: how many times the image counts. reach: how many times the limit is allowed.
    """
    if min(size) < 1:
        raise ImageError(f"{name}: the image is {size}: it has no pixels")
    allowed = limits.max_pixels * reach // share
    if size.height * size.width > allowed:
        raise ImageError(f"{name}: {size} is more than the limit of {allowed} pixels; raise max_pixels to allow it")


def check_cost(image: Image.Image, size: Size, limits: ImageLimits, name: str, *, reach: int = 1) -> None:
    """As check_size, for an image whose header is read; it counts twice if its pixels are held several times."""
    hungry = image.format in _HUNGRY_FORMATS or image.mode in _HUNGRY_MODES
    check_size(size, limits, name, share=2 if hungry else 1, reach=reach)


def check_scans(scans: int, size: Size, name: str) -> None:
    """Raises ImageError, naming the image, for a JPEG of so many scans that decoding takes minutes."""
    allowed = min(_MAX_JPEG_SCANS, max(_USUAL_JPEG_SCANS, _MAX_SCANNED_PIXELS // (size.height * size.width)))
    if scans > allowed:
        raise ImageError(f"{name}: refused: a JPEG of {scans} scans takes minutes to decode; {allowed} are allowed")


class TooManyReads(Exception):  # noqa: N818  (it reads as what happened)
    """A decoder has read the file in more pieces than any image needs."""

    def __init__(self) -> None:
        super().__init__("refused: it is made of more parts than any image needs; save it as PNG")


class CountedFile(BytesIO):
    """A file in memory that raises TooManyReads: whatever loops over the parts of a file reads it part by part."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _MAX_HEADER_READS

    def header_is_read(self) -> None:
        """From now on the pixels are read."""
        self._left = _MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file."""
        self._left -= 1
        if self._left < 0:
            raise TooManyReads
        return super().read(size)


def check_header(data: bytes, name: str) -> None:
    """Raises ImageError, naming the image, if reading its header would take a number of parts that no image has."""
    if is_jpeg(data):
        is_split_up = header_of(data).count(b"Exif\0\0") > _MAX_EXIF_BLOCKS
    else:
        is_split_up = _tiff_strips(data) > _MAX_STRIPS
    if is_split_up:
        raise ImageError(f"{name}: refused: its header has far more parts than any image's; save it as PNG")


def check_loops(image: Image.Image, data: bytes, name: str) -> None:
    """Raises ImageError, naming the image, if Pillow may spend minutes on it, opened from `data`, in its own loops."""
    pixels, decoders = image.width * image.height, {tile.codec_name for tile in getattr(image, "tile", ())}
    values, takes_minutes = pixels * len(image.getbands()), False
    if "bmp_rle" in decoders:
        takes_minutes = pixels > _MAX_LINE_ENDS or image.width > _MAX_RUN_WIDTH
    elif "ppm" in decoders:
        takes_minutes = values > _MAX_SCALED_VALUES
    elif "ppm_plain" in decoders:
        takes_minutes = values > _MAX_TEXT_VALUES or data.count(b"#") > _MAX_COMMENTS
    if takes_minutes:
        size = size_of(image)
        raise ImageError(
            f"{name}: refused: a {image.format} of {size} like this takes minutes to decode; save it as PNG"
        )


def _tiff_strips(data: bytes) -> int:
    """How many strips or tiles the first directory of a TIFF says; 0 for other files."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return 0
    if data[2] == 43:  # BigTIFF: all is twice as wide; Pillow looks at this byte, so that it takes MM for a classic one
        offset, counted, entry = struct.unpack_from(f"{order}Q", data, 8)[0], f"{order}Q", f"{order}HHQQ"
    else:
        offset, counted, entry = struct.unpack_from(f"{order}I", data, 4)[0], f"{order}H", f"{order}HHII"
    if offset + struct.calcsize(counted) > len(data):
        return 0
    start, size = offset + struct.calcsize(counted), struct.calcsize(entry)
    entries = min(struct.unpack_from(counted, data, offset)[0], 2**16, (len(data) - start) // size)
    directory = struct.iter_unpack(entry, data[start : start + entries * size])
    return max((count for tag, _, count, _ in directory if tag in (_STRIP_OFFSETS, _TILE_OFFSETS)), default=0)
