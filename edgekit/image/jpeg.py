"""What the header of a JPEG reveals about the cost of decoding it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_START_OF_IMAGE, _START_OF_SCAN, _FILL = b"\xff\xd8", 0xDA, 0xFF
# Segments that both Pillow and libjpeg skip by their length. After any other, Pillow searches byte by byte or libjpeg
# gives up, so what follows is not parsed here.
_WITH_LENGTH = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE))
_MAX_STEPS = 2**14  # markers and fill bytes; a header has a few dozen, and a color profile adds up to 255
_SEQUENTIAL = (0xC0, 0xC1)  # Huffman-coded frames that are not progressive
_OTHER_FRAMES = frozenset(range(0xC2, 0xD0)) - {0xC4, 0xC8, 0xCC}  # without the tables and extensions in this range


def is_jpeg(data: bytes) -> bool:
    """Return whether the bytes start like a JPEG."""
    return data.startswith(_START_OF_IMAGE)


class JpegHeader(NamedTuple):
    """What precedes the first scan of a JPEG.

    Attributes:
        is_certain: whether decoders read the same parts, of which there are few, up to the same first scan.
        length: its bytes; those of the whole file if that is not certain.
        by_rows: whether the first scan contains the whole image, so that decoding needs memory for its output only. For
            any other JPEG, progressive ones above all, decoders keep every coefficient in memory at whatever scale.
    """

    is_certain: bool
    length: int
    by_rows: bool


def header_of(data: bytes) -> JpegHeader:
    """Read the header of a JPEG, which may be broken."""
    components, is_sequential = 0, True
    for marker, position in _segments(data):
        if marker in _OTHER_FRAMES:
            is_sequential = False
        elif marker in _SEQUENTIAL:  # length (2), precision (1), height (2), width (2), components (1)
            components = int.from_bytes(data[position + 9 : position + 10])
        elif marker == _START_OF_SCAN:  # length (2), components (1)
            has_all = components > 0 and data[position + 4 : position + 5] == bytes((components,))
            return JpegHeader(is_certain=True, length=position, by_rows=is_sequential and has_all)
    return JpegHeader(is_certain=False, length=len(data), by_rows=False)


def count_scans(data: bytes, header: JpegHeader) -> int:
    """Return an upper bound of the passes over the whole image; scans of embedded thumbnails may be counted too."""
    # After a scan of the whole image a decoder treats any further one as an error. Counting takes 1/15 of decoding.
    return 1 if header.by_rows else data.count(b"\xff\xda")


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, position) of the segments up to the first scan, or up to bytes that decoders may differ on."""
    position = len(_START_OF_IMAGE)
    for _ in range(_MAX_STEPS):
        if position + 4 > len(data) or data[position] != _FILL:
            return
        marker = data[position + 1]
        if marker == _FILL:  # any number of fill bytes may precede a marker
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4])
        if marker not in _WITH_LENGTH or length < 2:
            return
        yield marker, position
        if marker == _START_OF_SCAN:
            return
        position += 2 + length
