"""Images with known content in every file format, and malicious images."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

# The formats that edgekit opens, by their names in Pillow, with options for lossless or nearly lossless writing.
WRITERS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "PPM": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 95},
}
_FAST_OPTIONS: dict[str, dict[str, object]] = {"WEBP": {"lossless": False, "method": 0}, "AVIF": {"speed": 10}}
CORNERS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40))  # top left, top right, bottom left and right


def quadrants(width: int = 48, height: int = 32) -> Image.Image:
    """Draw four colored quarters, so that every flip and rotation is a different image."""
    pixels = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:], pixels[top:, :left], pixels[top:, left:] = CORNERS
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Encode an image in Pillow's format `form`."""
    file = io.BytesIO()
    image.save(file, form, **{**WRITERS.get(form, {}), **options})
    return file.getvalue()


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Build a PNG from chunks, with valid checksums."""
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_header(width: int, height: int, depth: int = 8, color: int = 2) -> tuple[bytes, bytes]:
    """Build the IHDR chunk."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)


def flat_png(width: int, height: int, color: int, *, fill: int = 128) -> bytes:
    """Build a PNG with the same value everywhere: any size in a few bytes. color: 0 gray, 2 RGB, 6 RGBA."""
    row = b"\0" + bytes((fill,)) * (width * {0: 1, 2: 3, 6: 4}[color])
    packer, pieces = zlib.compressobj(1), []
    for _ in range(height):
        pieces.append(packer.compress(row))
    return png([png_header(width, height, 8, color), (b"IDAT", b"".join(pieces) + packer.flush()), (b"IEND", b"")])


def png16_rgb(values: np.ndarray) -> bytes:
    """Build a 16-bit RGB PNG, which Pillow can read but not write. values: uint16 (height, width, 3)."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png([png_header(width, height, 16, 2), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def tiff(tags: list[tuple[int, int, int, int]], *, body: bytes = b"", following: int = 0) -> bytes:
    """Build a little-endian TIFF with one directory of (tag, type, count, value or offset), followed by the body."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + body


def gray_tiff_tags(
    width: int, height: int, offset: int, size: int, compression: int = 1
) -> list[tuple[int, int, int, int]]:
    """Return the tags of an 8-bit gray TIFF with one strip."""
    values = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: offset, 277: 1, 278: height, 279: size}
    return [(tag, 4, 1, value) for tag, value in values.items()]


def run_length_bmp(width: int, height: int, runs: bytes) -> bytes:
    """Build a gray BMP with run-length encoded pixels."""
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + palette + runs


def many_scans(data: bytes, count: int) -> bytes:
    """Repeat the last scan of a progressive JPEG `count` more times."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + data[-2:]


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def exif(orientation: int, *, broken: str = "") -> bytes:
    """Build an EXIF block, intact or broken in one of several ways."""
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + b"\0\0\0\0"
    return (
        b"Exif\0\0"
        + {
            "": block,
            "cut": block[:13],
            "empty": b"",
            "garbage": bytes(range(256)),
            "offset": b"II*\0\xff\xff\xff\x7f" + block[8:],
            "count": block[:8] + b"\xff\xff" + block[10:],
            "type": block[:12] + b"\xff\xff" + block[14:],
        }[broken]
    )


BROKEN_EXIF = ("cut", "empty", "garbage", "offset", "count", "type")


def broken_images() -> Iterator[tuple[str, bytes]]:
    """Yield every format truncated at many lengths, and with changed bytes; each may be predicted or refused."""
    chance = random.Random(3)
    for form in WRITERS:
        data = encoded(noise(23, 17) if form != "GIF" else quadrants(), form)
        for cut in sorted({*range(0, 40, 5), *(len(data) * i // 16 for i in range(16)), len(data) - 1}):
            yield f"{form}-cut-{cut}", data[:cut]
        for number in range(30):
            changed = bytearray(data)
            for _ in range(chance.choice((1, 3, 10))):
                changed[chance.randrange(min(len(data), chance.choice((64, 1024, 10**9))))] = chance.randrange(256)
            yield f"{form}-changed-{number}", bytes(changed)


def refused_images() -> Iterator[tuple[str, bytes]]:
    """Yield images that must be refused, quickly and in little memory."""
    idat = (b"IDAT", zlib.compress(b"\0" * 1000))
    yield "empty", b""
    yield "text", b"not an image\n" * 100
    yield "zip", b"PK\x03\x04" + bytes(1000)
    yield "gzip-of-an-image", zlib.compress(encoded(quadrants(), "PNG"), wbits=31)
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>'
    yield "eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) (r) file\n"
    for width, height in ((2**31 - 1, 2**31 - 1), (100_000, 100_000), (13_300, 13_300), (0, 10), (2**31 - 1, 1)):
        yield f"png-declares-{width}x{height}", png([png_header(width, height), idat, (b"IEND", b"")])
    yield "png-178-megapixels", flat_png(13_300, 13_300, 0)
    progressive = encoded(quadrants(400, 300), "JPEG", progressive=True)
    yield "jpeg-5000-scans", many_scans(progressive, 5000)
    yield (
        "jpeg-90-scans-of-16-megapixels",
        many_scans(encoded(Image.new("RGB", (4000, 4000)), "JPEG", progressive=True), 90),
    )
    start = progressive.index(b"\xff\xc2")
    for form in ("WEBP", "AVIF"):
        yield f"{form}-26-megapixels", encoded(Image.new("L", (5100, 5100)), form, **_FAST_OPTIONS[form])
    yield "jpeg-declares-65500", progressive[: start + 5] + b"\xff\xdc\xff\xdc" + progressive[start + 9 :]
    baseline = encoded(quadrants(400, 300), "JPEG")
    start = baseline.index(b"\xff\xc0")
    for side in (65_500, 14_200):
        sides = struct.pack(">HH", side, side)
        yield f"jpeg-baseline-declares-{side}", baseline[: start + 5] + sides + baseline[start + 9 :]
    yield (
        "gif-declares-65535",
        b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x08" + bytes(10),
    )
    bmp = encoded(quadrants(), "BMP")
    for name, width, height in (("wide", 2**31 - 1, 32), ("high", 48, 2**31 - 1), ("negative-wide", -48, 32)):
        yield f"bmp-{name}", bmp[:18] + struct.pack("<ii", width, height) + bmp[26:]
    for header in (
        b"P6 1000000000 1000000000 255\n",
        b"P6 -5 5 255\n",
        b"P6 5 5 0\n",
        b"P6 5 5 99999999\n",
        b"P6" + b" " * 10**6,
    ):
        yield f"ppm-{header[:24]!r}", header + bytes(75)
    yield "ppm-comment-without-end", b"P6 #" + b"x" * 10**6
    yield "ppm-of-comments", b"P1 1000 1000\n" + b"#x\n" * 10**6
    yield "ppm-maximum-100", b"P5 7000 7000 100\n" + bytes(7000 * 7000)
    yield "ppm-maximum-1000", b"P6 3000 3000 1000\n" + bytes(3000 * 3000 * 6)
    yield "ppm-text", b"P3 3000 3000 255\n" + b"9 " * (3000 * 3000 * 3)
    yield "ppm-spaces", b"P2 1000 1000 255\n" + b" " * (32 * 2**20)
    yield "jpeg-16-million-segments", baseline[:2] + b"\xff\xe5\0\2" * (15 * 2**20) + baseline[2:]
    yield "jpeg-junk", baseline[:20] + bytes(60 * 2**20) + baseline[20:]
    yield "jpeg-960-exif-blocks", baseline[:2] + (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65527)) * 960 + baseline[2:]
    yield "png-5-million-chunks", png([png_header(48, 32), idat]) + b"\0\0\0\0IDAT\x35\xaf\x06\x1e" * (5 * 2**20)
    palette_missing = [png_header(48, 32, 8, 3), (b"IDAT", zlib.compress((b"\0" + bytes(48)) * 32)), (b"IEND", b"")]
    yield "png-without-its-palette", png(palette_missing)
    gif = encoded(quadrants(), "GIF")
    at = gif.index(b",\0\0\0\0")
    yield "gif-30-million-comments", gif[:at] + b"!\xfe" + b"\x01x" * (30 * 2**20) + b"\0" + gif[at:]
    yield "gif-15-million-extensions", gif[:at] + b"!\xff\0" * (20 * 2**20) + gif[at:]
    strips = [(256, 4, 1, 3), (257, 4, 1, 15 * 10**6), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1), (277, 4, 1, 1)]
    strips += [(273, 4, 15 * 10**6, 200), (278, 4, 1, 1), (279, 4, 15 * 10**6, 200)]
    yield "tiff-15-million-strips", tiff(strips, body=bytes(60 * 2**20))
    yield "bmp-empty-runs", run_length_bmp(1000, 1000, b"\0\0" * (16 * 2**20))
    yield "bmp-runs-past-the-edge", run_length_bmp(48, 32, b"\x01\x40" * (16 * 2**20))
    yield "bmp-49-megapixels-of-line-ends", run_length_bmp(7000, 7000, b"\x01\x40\0\0" * 7000)
    yield "bmp-jump-over-255-rows-of-2-million", run_length_bmp(2_000_000, 1, b"\0\2\xff\xff")
    yield "tiff-strip-of-4-GB", tiff(gray_tiff_tags(48, 32, 10**9, 2**32 - 1))
    yield "tiff-declares-2-billion", tiff(gray_tiff_tags(2**31 - 1, 2**31 - 1, 8, 100))
    yield "tiff-without-tags", tiff([])
    yield "tiff-overlapping-65535", tiff([(40_000 + i % 20_000, 1, 10**6, 8) for i in range(65_535)], body=bytes(10**6))
    bomb = zlib.compress(bytes(64 * 2**20))
    tags = gray_tiff_tags(65_000, 65_000, 8 + 2 + 9 * 12 + 4, len(bomb), compression=8)
    yield "tiff-deflate-4-gigapixels", tiff(tags, body=bomb)
    yield "tiff-float", encoded(Image.new("F", (20, 20), 0.5), "TIFF")
    yield "tiff-int32", encoded(Image.fromarray(np.full((20, 20), 2**30, np.int32)), "TIFF")
    webp = encoded(quadrants(), "WEBP")
    at = webp.index(b"VP8L") + 9
    yield "webp-declares-16384", webp[:at] + b"\xff\xff\xff\x0f" + webp[at + 4 :]
    avif = encoded(quadrants(), "AVIF")
    at = avif.index(b"ispe") + 8
    yield "avif-declares-2-billion", avif[:at] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + avif[at + 8 :]


def costly_images() -> Iterator[tuple[str, bytes]]:
    """Yield the costliest images within the limits, which must be predicted within limits of time and memory."""
    yield "strip-1x20000", encoded(Image.new("RGB", (1, 20_000), "red"), "PNG")
    yield "strip-20000x1", encoded(Image.new("RGB", (20_000, 1), "red"), "PNG")
    yield "strip-60000x1", encoded(Image.new("RGB", (60_000, 1), "red"), "JPEG")
    yield "one-pixel", encoded(Image.new("RGB", (1, 1), "red"), "PNG")
    yield "tiff-directory-in-a-circle", tiff(gray_tiff_tags(4, 4, 8 + 2 + 9 * 12 + 4, 16), body=bytes(16), following=8)
    bmp = encoded(quadrants(), "BMP")
    yield "bmp-top-down", bmp[:18] + struct.pack("<ii", 48, -32) + bmp[26:]
    yield "tiff-lab", encoded(Image.new("LAB", (20, 20)), "TIFF")
    full_hd = (b"\xff\x40" * 7 + b"\x87\x40" + b"\0\0") * 1080
    yield "bmp-runs-of-1920x1080", run_length_bmp(1920, 1080, full_hd + b"\0\1")
    yield "ppm-maximum-4095-of-1-megapixel", b"P5 1000 1000 4095\n" + bytes(2 * 10**6)
    yield "ppm-text-of-700-kilopixels", b"P3 836 836 255\n" + b"9 " * (836 * 836 * 3)
    yield "tiff-int32-25-megapixels", encoded(Image.new("I", (4990, 4990)), "TIFF", compression="tiff_deflate")
    yield "ppm-16-bit", b"P5 2 2 65535\n" + struct.pack(">4H", 0, 65535, 257, 32768)
    yield "rgba-49-megapixels", flat_png(7000, 7000, 6)
    yield (
        "jpeg-16-scans-of-16-megapixels",
        many_scans(encoded(Image.new("RGB", (4000, 4000), "red"), "JPEG", progressive=True), 8),
    )
    square = (7000, 7000)
    yield "png-palette-49-megapixels", encoded(Image.new("P", square), "PNG", compress_level=1, transparency=0)
    for mode in ("LA", "I;16"):
        yield f"png-{mode}-49-megapixels", encoded(Image.new(mode, square), "PNG", compress_level=1)
    yield (
        "jpeg-progressive-turned-49-megapixels",
        encoded(Image.new("RGB", square), "JPEG", progressive=True, exif=exif(6)),
    )
    yield "jpeg-199-megapixels", encoded(Image.new("L", (14_100, 14_100)), "JPEG")
    yield "tiff-lzw-49-megapixels", encoded(Image.new("RGBA", square), "TIFF", compression="tiff_lzw")
    half = (4990, 4990)
    yield "jpeg-cmyk-progressive-25-megapixels", encoded(Image.new("CMYK", half), "JPEG", progressive=True)
    yield "webp-25-megapixels", encoded(Image.new("RGBA", half), "WEBP", lossless=False, method=0)
    yield "avif-25-megapixels", encoded(Image.new("RGBA", half), "AVIF", speed=10)


def text_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield small images with text that unpacks to 128 MB; each may be predicted or refused, but never unpacked."""
    text = zlib.compress(bytes(128 * 2**20), 1)
    ends = [(b"IDAT", zlib.compress((b"\0" + bytes(48 * 3)) * 32)), (b"IEND", b"")]
    yield "png-icc-bomb", png([png_header(48, 32), (b"iCCP", b"x\0\0" + text), *ends])
    yield "png-ztxt-bomb", png([png_header(48, 32), (b"zTXt", b"x\0\0" + text), *ends])
    yield "png-itxt-bomb", png([png_header(48, 32), (b"iTXt", b"x\0\1\0\0\0" + text), *ends])
    yield (
        "png-many-texts",
        png([png_header(48, 32), *[(b"tEXt", b"k%d\0" % i + bytes(900_000)) for i in range(60)], *ends]),
    )
