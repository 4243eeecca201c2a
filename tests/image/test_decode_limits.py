"""Limits on decoding: files that would keep a loop busy for minutes are refused, typical ones are not."""

import io
import struct
import zlib

import numpy as np
import pytest
from made_images import encoded, exif, gray_tiff_tags, png, png_header, quadrants, run_length_bmp, tiff
from PIL import Image

from edgekit.errors import ImageError
from edgekit.image import decode_limits
from edgekit.image.load import load_image


def test_counted_file_raises_after_the_allowed_number_of_reads(monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 3)
    monkeypatch.setattr(decode_limits, "_MAX_READS", 1)
    file = decode_limits.CountedFile(b"abcdef")
    assert [file.read(1), file.read(), file.read(1)] == [b"a", b"bcdef", b""]
    with pytest.raises(decode_limits.TooManyReads, match="more parts"):
        file.read()
    file.allow_pixel_reads()
    file.read()
    with pytest.raises(decode_limits.TooManyReads, match="more parts"):
        file.read()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"])
def test_load_image_needs_few_reads_for_a_typical_image(form, monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 80)
    monkeypatch.setattr(decode_limits, "_MAX_READS", 80)
    assert load_image(encoded(quadrants(), form)).size == (32, 48)


def test_load_image_refuses_a_gif_with_too_many_extension_blocks(monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 1000)
    gif = encoded(quadrants(), "GIF")
    at = gif.index(b",\0\0\0\0")
    with pytest.raises(ImageError, match=r"bytes: refused: the file has more parts"):
        load_image(gif[:at] + b"!\xfe" + b"\x01x" * 1000 + b"\0" + gif[at:])


def test_check_loops_limits_ppm_values_with_a_maximum_other_than_255():
    small = load_image(b"P5 2 2 100\n" + bytes((0, 50, 100, 25)), color="L").pixels
    assert np.asarray(small).ravel().tolist() == [0, 128, 255, 64]
    with pytest.raises(ImageError, match=r"a PPM file of this kind \(1100x1100\) takes minutes"):
        load_image(io.BytesIO(b"P5 1100 1100 100\n" + bytes(1100 * 1100)))


def test_check_loops_limits_run_length_encoded_bmps():
    runs = (b"\x30\x80\0\0") * 32 + b"\0\1"
    assert np.asarray(load_image(run_length_bmp(48, 32, runs), color="L").pixels).tolist() == [[128] * 48] * 32
    for width, height in ((3000, 3000), (70_000, 1)):
        with pytest.raises(ImageError, match=rf"a BMP file of this kind \({height}x{width}\)"):
            load_image(run_length_bmp(width, height, b"\0\1"))


@pytest.mark.parametrize(("header", "body"), [("P2 2000 2000 255\n", "0 "), ("P1 10 10\n" + "#\n" * 101, "1")])
def test_check_loops_limits_ppms_in_text_form(header, body):
    with pytest.raises(ImageError, match="of this kind"):
        load_image((header + body).encode())


def test_load_image_reports_a_missing_palette_in_one_line():
    rows = zlib.compress((b"\0" + bytes(48)) * 32)
    with pytest.raises(ImageError, match="bytes: cannot convert mode P to RGB"):
        load_image(png([png_header(48, 32, 8, 3), (b"IDAT", rows), (b"IEND", b"")]))


def test_check_header_limits_the_strips_and_tiles_of_a_tiff():
    tags = [tag for tag in gray_tiff_tags(4, 4, 200, 16) if tag[0] != 273]
    assert load_image(tiff([*tags, (273, 4, 1, 200)], body=bytes(300))).size == (4, 4)
    for number in (273, 324):
        with pytest.raises(ImageError, match="far more parts"):
            load_image(tiff([*tags, (number, 4, 2**18 + 1, 200)], body=bytes(2**21)))


@pytest.mark.parametrize(
    "data", [b"II", b"II*\0", b"MM\0*" + b"\xff" * 20, b"II+\0" + b"\xff" * 40, b"II*\0\x08\0\0\0" + b"\xff" * 9]
)
def test_check_header_accepts_a_truncated_tiff(data):
    decode_limits.check_header(data, "a TIFF")


def test_check_header_reads_big_tiff():
    assert load_image(encoded(quadrants(), "TIFF", big_tiff=True)).size == (32, 48)
    data = bytearray(encoded(quadrants(), "TIFF", big_tiff=True))
    at = data.index((273).to_bytes(2, "little"), 16)
    data[at + 4 : at + 12] = (2**20).to_bytes(8, "little")
    with pytest.raises(ImageError, match="a TIFF: refused: the header has far more parts"):
        decode_limits.check_header(bytes(data), "a TIFF")


def test_check_header_reads_a_big_endian_tiff_marked_as_big_tiff_as_classic():
    """Pillow reads it as classic, so its strips have to be counted where Pillow finds them."""
    tags = {number: (kind, 1, value) for number, kind, _, value in gray_tiff_tags(4, 4, 0, 16)}
    tags[273] = tags[279] = (4, 300_000, 200)  # where they lie and their sizes
    entries = b"".join(struct.pack(">HHII", number, *tag) for number, tag in tags.items())
    data = b"MM\0+" + struct.pack(">IH", 8, len(tags)) + entries + bytes(2**22)
    assert Image.open(io.BytesIO(data)).size == (4, 4)
    with pytest.raises(ImageError, match="far more parts"):
        load_image(data)


def test_check_header_counts_exif_blocks_after_a_marker_that_pillow_does_not_skip_by_length():
    jpeg, block = encoded(quadrants(), "JPEG"), exif(1)
    # A scan to a parser that skips FFF0 by its length, but to Pillow an APP5 segment of 0xFFDA bytes.
    unskipped = b"\xff\xf0\0\4" + b"\xff\xe5\xff\xda" + b"\0\x0c" + bytes(0xFFDA - 4)
    blocks = (b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block) * 101
    data = jpeg[:2] + unskipped + blocks + jpeg[2:]
    assert len(Image.open(io.BytesIO(data)).info["exif"]) > 100 * (len(block) - 6)
    with pytest.raises(ImageError, match="far more parts"):
        load_image(data)
