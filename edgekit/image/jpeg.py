"""What the header of a JPEG says of the cost of decoding it."""

from __future__ import annotations

from collections.abc import Iterator

_START, _START_OF_SCAN, _FILL = b"\xff\xd8", 0xDA, 0xFF
# What Pillow and libjpeg both skip by its length; behind others Pillow goes on byte by byte, or libjpeg gives up.
_WITH_LENGTH = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE))
_MAX_STEPS = 2**14  # markers and bytes before them; a header has some dozens, and a color profile up to 255
_SEQUENTIAL = (0xC0, 0xC1)  # Huffman-coded frames that are not progressive
_OTHER_FRAMES = frozenset(range(0xC2, 0xD0)) - {0xC4, 0xC8, 0xCC}  # tables and extensions lie between the frames


def is_jpeg(data: bytes) -> bool:
    """Whether the bytes begin as those of a JPEG do."""
    return data.startswith(_START)


def count_scans(data: bytes) -> int:
    """How many passes over the whole image a decoder makes at most; scans of thumbnails may count too."""
    # A decoder takes what follows a scan of the whole image for an error. Counting takes a fifteenth of decoding.
    return 1 if decodes_by_rows(data) else data.count(b"\xff\xda")


def header_of(data: bytes) -> bytes:
    """What lies before the first scan; everything where that cannot be told for sure."""
    return next((data[:at] for marker, at in _segments(data) if marker == _START_OF_SCAN), data)


def decodes_by_rows(data: bytes) -> bool:
    """Whether its first scan holds the whole image, so that a decoder needs memory for what it gives out only.

    Of any other JPEG, progressive ones above all, decoders keep every coefficient, at whatever scale they answer.
    """
    components = 0
    for marker, at in _segments(data):
        if marker in _OTHER_FRAMES:
            return False
        if marker in _SEQUENTIAL:  # length (2), precision (1), height (2), width (2), components (1)
            components = int.from_bytes(data[at + 9 : at + 10])
        if marker == _START_OF_SCAN:  # length (2), components (1)
            return components > 0 and data[at + 4 : at + 5] == bytes((components,))
    return False


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """The markers of the header and where they stand, up to the first scan or to what decoders may take otherwise."""
    at = len(_START)
    for _ in range(_MAX_STEPS):
        if at + 4 > len(data) or data[at] != _FILL:
            return
        marker = data[at + 1]
        if marker == _FILL:  # a marker may have any number of them in front
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        if marker not in _WITH_LENGTH or length < 2:
            return
        yield marker, at
        if marker == _START_OF_SCAN:
            return
        at += 2 + length
