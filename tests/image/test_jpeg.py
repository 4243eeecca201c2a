"""JPEG headers: scans, progressive coding, and where the header ends."""

import io
import time

import made_images
import pytest
from made_images import encoded, exif, many_scans, noise, quadrants
from PIL import Image, JpegImagePlugin

from edgekit.image.jpeg import count_scans, decodes_by_rows, header_of, is_jpeg


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_decodes_by_rows_is_true_for_baseline_and_false_for_progressive(mode):
    image = quadrants().convert(mode)
    assert decodes_by_rows(encoded(image, "JPEG"))
    assert not decodes_by_rows(encoded(image, "JPEG", progressive=True))


def test_count_scans_ignores_thumbnails_restart_markers_and_fill_bytes():
    thumbnail = encoded(Image.new("RGB", (16, 16)), "JPEG", progressive=True)
    data = encoded(noise(60, 40), "JPEG", exif=exif(1) + thumbnail, restart_marker_blocks=1)
    assert count_scans(data) == 1
    assert decodes_by_rows(data)
    assert decodes_by_rows(data[:2] + b"\xff\xff" + data[2:])


def test_count_scans_counts_every_scan_of_a_progressive_image():
    data = encoded(quadrants(), "JPEG", progressive=True)
    assert count_scans(many_scans(data, 100)) == count_scans(data) + 100 > 101


def test_count_scans_returns_1_for_baseline_because_pillow_decodes_no_further_scan():
    data = encoded(quadrants(), "JPEG")
    assert count_scans(many_scans(data, 100)) == 1
    with pytest.raises(OSError, match="broken"):
        Image.open(io.BytesIO(many_scans(data, 100))).load()


def test_header_of_gives_up_on_millions_of_segments():
    data = encoded(quadrants(), "JPEG")
    for filler in (b"\xff\xe0\0\2", b"\xff" * 4):
        long = data[:2] + filler * 4_000_000 + data[2:]
        start = time.process_time()
        assert header_of(long) is long
        assert not decodes_by_rows(long)
        assert time.process_time() - start < 0.5


def test_decodes_by_rows_is_false_if_the_first_scan_lacks_components():
    data = bytearray(encoded(quadrants(), "JPEG"))
    at = data.index(b"\xff\xda")
    assert data[at + 4] == 3
    data[at + 4] = 1
    assert not decodes_by_rows(bytes(data))


def test_decodes_by_rows_is_false_for_truncated_and_foreign_data():
    data = encoded(quadrants(), "JPEG")
    start = data.index(b"\xff\xda")
    assert not any(decodes_by_rows(data[:length]) for length in range(start + 5))
    assert not decodes_by_rows(b"\xff\xd8" + b"\xff" * 1000)
    assert not decodes_by_rows(b"\xff\xd8" + b"\xff\xdb\0\0" * 1000)
    assert not decodes_by_rows(data[:2] + b"\xff\xd0" + data[2:])  # decoders skip it, and it has no length
    assert header_of(data[:2] + b"\xff\xd0" + data[2:]) == data[:2] + b"\xff\xd0" + data[2:]
    assert header_of(data) == data[:start]
    assert not is_jpeg(made_images.png([]))


@pytest.mark.parametrize("marker", range(0xFF))
def test_header_of_parses_only_segments_that_pillow_skips_by_length(marker):
    data = b"\xff\xd8\xff" + bytes((marker, 0, 4, 0, 0)) + b"\xff\xda\0\x08" + bytes(6)
    *_, handler = JpegImagePlugin.MARKER.get(0xFF00 | marker, (None,))
    assert handler or header_of(data) == data
