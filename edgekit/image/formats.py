"""Image formats: which files are images by their names, and what a file is that Pillow does not decode."""

from __future__ import annotations

import os

# What Pillow decodes. JPEG comes first: Pillow tries the formats in this order, and imports the plugins from WEBP on
# only when it gets there. JPEG includes MPO (stereo images, the first of which is read).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF")
_DECODED_SUFFIXES = (
    ".jpg .jpeg .jpe .jif .jfif .pjpeg .pjp .mpo .png .apng .gif .bmp .dib .ppm .pgm .pbm .pnm .webp .tif .tiff .avif"
)
# Images that are not decoded are images all the same: leaving them out of a folder without a word would hide them.
_OTHER_SUFFIXES = (
    ".heic .heif .heics .hif .jxl .jp2 .j2k .jpx .psd .svg .tga .exr .hdr "
    ".dng .nef .nrw .cr2 .cr3 .crw .arw .sr2 .raf .rw2 .orf .pef .srw .3fr .iiq .x3f"
)
_SUFFIXES = frozenset(_DECODED_SUFFIXES.split() + _OTHER_SUFFIXES.split())

# How files begin: (offset, bytes, name). PPM and BMP have only two letters, which a text could begin with, too.
_DECODED_SIGNATURES = (
    (0, b"\xff\xd8", "JPEG"),
    (0, b"\x89PNG\r\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavif", "AVIF"),
)
_OTHER_SIGNATURES = (
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"FUJIFILMCCD-RAW", "camera raw (RAF)"),
    (0, b"IIU\0", "camera raw (RW2)"),
    (0, b"IIRO", "camera raw (ORF)"),
    (0, b"IIRS", "camera raw (ORF)"),
    (4, b"ftypcrx", "camera raw (CR3)"),
    (6, b"HEAPCCDR", "camera raw (CRW)"),
    (8, b"CR\x02\0", "camera raw (CR2)"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
# Tags of TIFF: in a camera raw the first image is a thumbnail (or the raw data are marked by the version of DNG).
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706


def is_image_name(name: str | os.PathLike[str]) -> bool:
    """Return whether a file name has the extension of an image, including formats that edgekit does not decode."""
    return os.path.splitext(name)[1].lower() in _SUFFIXES  # noqa: PTH122  (a hundred thousand Paths take seconds)


def is_heif(data: bytes) -> bool:
    """Return whether the bytes begin as a HEIF file with HEVC images (.heic) does."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def other_format(data: bytes) -> str | None:
    """Return the name of the image format that the bytes begin with, if it is one that edgekit does not decode."""
    if data[:256].lstrip().startswith((b"<svg", b"<?xml")) and b"<svg" in data[:4096]:
        return "SVG"
    return _signed(data, _OTHER_SIGNATURES)


def decoded_format(data: bytes) -> str | None:
    """Return the name of the image format that the bytes begin with, if it is one that edgekit decodes."""
    return _signed(data, _DECODED_SIGNATURES)


def _signed(data: bytes, signatures: tuple[tuple[int, bytes, str], ...]) -> str | None:
    return next((name for offset, start, name in signatures if data.startswith(start, offset)), None)


def is_camera_raw(tags: object) -> bool:
    """Return whether the tags of a TIFF file are those of a camera raw, whose first image is only a thumbnail.

    Args:
        tags: of the first image, by number, as Pillow's `tag_v2`.
    """
    if not hasattr(tags, "get"):
        return False
    return tags.get(_DNG_VERSION) is not None or (tags.get(_SUB_IFDS) is not None and tags.get(_NEW_SUBFILE_TYPE) == 1)
