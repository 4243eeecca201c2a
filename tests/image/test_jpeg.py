"""JPEG headers: scans, progressive coding, and where the header ends."""

import io
import time

import made_images
import pytest
from made_images import encoded, exif, many_scans, noise, quadrants
from PIL import Image, JpegImagePlugin

from edgekit.image.jpeg import count_scans, header_of, is_jpeg


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_by_rows_is_true_for_baseline_and_false_for_progressive(mode):
    image = quadrants().convert(mode)
    assert header_of(encoded(image, "JPEG")).by_rows
    assert not header_of(encoded(image, "JPEG", progressive=True)).by_rows


def test_count_scans_ignores_thumbnails_restart_markers_and_fill_bytes():
    thumbnail = encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=True)
    data = encoded(noise(60, 40), "JPEG", exif=exif(1) + thumbnail, restart_marker_blocks=1)
    assert _scans(data) == 1
    assert header_of(data).by_rows
    assert header_of(data[:2] + b"\xff\xff" + data[2:]).by_rows


def test_count_scans_counts_every_scan_of_a_progressive_image():
    data = encoded(quadrants(), "JPEG", progressive=True)
    assert _scans(many_scans(data, 100)) == _scans(data) + 100 > 101


def test_count_scans_returns_1_for_baseline_because_pillow_decodes_no_further_scan():
    data = encoded(quadrants(), "JPEG")
    assert _scans(many_scans(data, 100)) == 1
    with pytest.raises(OSError, match="broken"):
        Image.open(io.BytesIO(many_scans(data, 100))).load()


def test_header_of_gives_up_on_millions_of_segments():
    data = encoded(quadrants(), "JPEG")
    for filler in (b"\xff\xe0\0\2", b"\xff" * 4):
        long = data[:2] + filler * 4_000_000 + data[2:]
        start = time.process_time()
        assert header_of(long).length == len(long)
        assert not header_of(long).by_rows
        assert time.process_time() - start < 0.5


def test_by_rows_is_false_if_the_first_scan_lacks_components():
    data = bytearray(encoded(quadrants(), "JPEG"))
    at = data.index(b"\xff\xda")
    assert data[at + 4] == 3
    data[at + 4] = 1
    assert not header_of(bytes(data)).by_rows


def test_by_rows_is_false_for_truncated_and_foreign_data():
    data = encoded(quadrants(), "JPEG")
    start = data.index(b"\xff\xda")
    assert not any(header_of(data[:length]).by_rows for length in range(start + 5))
    assert not header_of(b"\xff\xd8" + b"\xff" * 1000).by_rows
    assert not header_of(b"\xff\xd8" + b"\xff\xdb\0\0" * 1000).by_rows
    assert not header_of(data[:2] + b"\xff\xd0" + data[2:]).by_rows  # decoders skip it, and it has no length
    assert header_of(data[:2] + b"\xff\xd0" + data[2:]).length == len(data) + 2
    assert header_of(data).length == start
    assert not is_jpeg(made_images.png([]))


def test_header_of_is_certain_only_if_it_finds_the_first_scan():
    data = encoded(quadrants(), "JPEG", progressive=True)
    assert header_of(data) == (True, data.index(b"\xff\xda"), False)
    assert not header_of(data[: data.index(b"\xff\xda")]).is_certain
    assert not header_of(data[:2] + b"\xff\xf0\0\4" + data[2:]).is_certain


@pytest.mark.parametrize("marker", range(0xFF))
def test_header_of_parses_only_segments_that_pillow_skips_by_length(marker):
    data = b"\xff\xd8\xff" + bytes((marker, 0, 4, 0, 0)) + b"\xff\xda\0\x08" + bytes(6)
    *_, handler = JpegImagePlugin.MARKER.get(0xFF00 | marker, (None,))
    assert handler or header_of(data).length == len(data)


def _scans(data):
    return count_scans(data, header_of(data))
