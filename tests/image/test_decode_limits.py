"""Files that keep a loop of Python busy are refused before it runs, and usual ones are not."""

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


def test_a_file_is_read_so_many_times(monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 3)
    monkeypatch.setattr(decode_limits, "_MAX_READS", 1)
    file = decode_limits.CountedFile(b"abcdef")
    assert [file.read(1), file.read(), file.read(1)] == [b"a", b"bcdef", b""]
    with pytest.raises(decode_limits.TooManyReads, match="more parts"):
        file.read()
    file.header_is_read()
    file.read()
    with pytest.raises(decode_limits.TooManyReads, match="more parts"):
        file.read()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF"])
def test_usual_images_take_few_reads(form, monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 80)
    monkeypatch.setattr(decode_limits, "_MAX_READS", 80)
    assert load_image(encoded(quadrants(), form)).size == (32, 48)


def test_parts_by_the_million_are_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(decode_limits, "_MAX_HEADER_READS", 1000)
    gif = encoded(quadrants(), "GIF")
    at = gif.index(b",\0\0\0\0")
    with pytest.raises(ImageError, match=r"bytes: refused: it is made of more parts"):
        load_image(gif[:at] + b"!\xfe" + b"\x01x" * 1000 + b"\0" + gif[at:])


def test_values_of_another_maximum_are_scaled():
    small = load_image(b"P5 2 2 100\n" + bytes((0, 50, 100, 25)), color="L").pixels
    assert np.asarray(small).ravel().tolist() == [0, 128, 255, 64]
    with pytest.raises(ImageError, match="a PPM of 1100x1100 like this takes minutes"):
        load_image(io.BytesIO(b"P5 1100 1100 100\n" + bytes(1100 * 1100)))


def test_runs_of_equal_pixels():
    runs = (b"\x30\x80\0\0") * 32 + b"\0\1"
    assert np.asarray(load_image(run_length_bmp(48, 32, runs), color="L").pixels).tolist() == [[128] * 48] * 32
    for width, height in ((3000, 3000), (70_000, 1)):
        with pytest.raises(ImageError, match=f"a BMP of {height}x{width} like this"):
            load_image(run_length_bmp(width, height, b"\0\1"))


@pytest.mark.parametrize(("header", "most"), [("P2 2000 2000 255\n", "0 "), ("P1 10 10\n" + "#\n" * 101, "1")])
def test_text(header, most):
    with pytest.raises(ImageError, match="like this takes minutes"):
        load_image((header + most).encode())


def test_a_palette_that_is_not_there_is_one_line():
    rows = zlib.compress((b"\0" + bytes(48)) * 32)
    with pytest.raises(ImageError, match="bytes: an image in mode P cannot be used"):
        load_image(png([png_header(48, 32, 8, 3), (b"IDAT", rows), (b"IEND", b"")]))


def test_a_tiff_of_many_strips():
    tags = [tag for tag in gray_tiff_tags(4, 4, 200, 16) if tag[0] != 273]
    assert load_image(tiff([*tags, (273, 4, 1, 200)], body=bytes(300))).size == (4, 4)
    for number in (273, 324):
        with pytest.raises(ImageError, match="far more parts"):
            load_image(tiff([*tags, (number, 4, 2**18 + 1, 200)], body=bytes(2**21)))


@pytest.mark.parametrize(
    "data", [b"II", b"II*\0", b"MM\0*" + b"\xff" * 20, b"II+\0" + b"\xff" * 40, b"II*\0\x08\0\0\0" + b"\xff" * 9]
)
def test_a_tiff_that_is_cut_short_is_no_more_than_broken(data):
    decode_limits.check_header(data, "a TIFF")


def test_a_big_tiff_is_looked_through_too():
    assert load_image(encoded(quadrants(), "TIFF", big_tiff=True)).size == (32, 48)
    data = bytearray(encoded(quadrants(), "TIFF", big_tiff=True))
    at = data.index((273).to_bytes(2, "little"), 16)
    data[at + 4 : at + 12] = (2**20).to_bytes(8, "little")
    with pytest.raises(ImageError, match="a TIFF: refused: its header has far more parts"):
        decode_limits.check_header(bytes(data), "a TIFF")


def test_a_tiff_with_the_mark_of_a_big_one_in_the_other_order_is_a_classic_one():
    """As Pillow reads it, so that its strips are to be counted where Pillow finds them."""
    tags = {number: (kind, 1, value) for number, kind, _, value in gray_tiff_tags(4, 4, 0, 16)}
    tags[273] = tags[279] = (4, 300_000, 200)  # where they lie and their sizes
    entries = b"".join(struct.pack(">HHII", number, *tag) for number, tag in tags.items())
    data = b"MM\0+" + struct.pack(">IH", 8, len(tags)) + entries + bytes(2**22)
    assert Image.open(io.BytesIO(data)).size == (4, 4)
    with pytest.raises(ImageError, match="far more parts"):
        load_image(data)


def test_exif_blocks_behind_a_marker_that_pillow_does_not_skip_by_its_length():
    jpeg, block = encoded(quadrants(), "JPEG"), exif(1)
    hidden = b"\xff\xf0\0\4" + b"\xff\xe5\xff\xda" + b"\0\x0c" + bytes(0xFFDA - 4)  # a scan, or APP5 of this length
    blocks = (b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block) * 101
    data = jpeg[:2] + hidden + blocks + jpeg[2:]
    assert len(Image.open(io.BytesIO(data)).info["exif"]) > 100 * (len(block) - 6)
    with pytest.raises(ImageError, match="far more parts"):
        load_image(data)
