"""Formats by name and content: what is an image but cannot be decoded is named, not taken for something else."""

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import ImageError
from edgekit.image.formats import is_image_name
from edgekit.image.load import load_image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def tiff(tags):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.JPG", "b.jfif", "c.jpe", "d.jif", "e.heic", "f.dng", "g.jxl", "h.svg", "i.cr3"])
def test_is_image_name_includes_formats_that_are_not_decoded(name):
    assert is_image_name(name)
    assert not is_image_name(f"{name}.txt")


@pytest.mark.parametrize(
    ("data", "format_name"),
    [
        (b"\xff\x0a" + bytes(60), "JPEG XL"),
        (b"\0\0\0\x0cJXL " + bytes(60), "JPEG XL"),
        (b"8BPS" + bytes(60), "Photoshop"),
        (b"\0\0\0\x18ftypcrx " + bytes(60), r"camera raw \(CR3\)"),
        (b"II*\0\x10\0\0\0CR\x02\0" + bytes(60), r"camera raw \(CR2\)"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
    ],
)
def test_load_image_names_the_format_that_it_does_not_decode(data, format_name):
    with pytest.raises(ImageError, match=f"{format_name} is not supported; convert it to JPEG or PNG"):
        load_image(data)


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
def test_load_image_refuses_the_thumbnail_of_a_camera_raw(tags):
    with pytest.raises(ImageError, match="a camera raw, of which only the thumbnail can be read"):
        load_image(tiff(tags))


def test_load_image_reads_a_reduced_resolution_tiff():
    assert load_image(tiff({254: 1})).size == (8, 8)


def test_load_image_names_the_package_for_heif(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"HEIF images need the package pillow-heif; run: pip install '.*\[heif\]'"):
        load_image(HEIC)


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs pillow-heif")
def test_load_image_reads_heif():
    import pillow_heif

    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :, 0] = 200
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, quality=95)
    image = load_image(buffer.getvalue())
    assert image.size == (48, 64)
    assert np.abs(np.asarray(image.pixels).astype(int) - pixels).mean() < 4
    assert "HEIF" not in Image.OPEN, "Pillow's own list of decoders must stay as it is"
    with pytest.raises(ImageError, match="broken image"):
        load_image(HEIC)
