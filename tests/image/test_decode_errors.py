"""Broken images: a line in plain words says what is wrong with them, whatever the decoder calls it."""

import io
import re

import pytest
from made_images import WRITERS, encoded, noise, quadrants

from edgekit.errors import ImageError
from edgekit.image.load import load_image

CUT = "broken image: it ends too early; copy or download it again"
HEADER = "the header of the {} is damaged, cut off or not supported; convert it to JPEG or PNG"
DECODERS_WORDS = re.compile("unpack|buffer|driver|decoder object|Truncated|not processed|tuple|cannot load|Expecting")


def message(data):
    with pytest.raises(ImageError) as caught:
        load_image(data)
    return str(caught.value).partition(": ")[2]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP"])
def test_an_image_that_is_cut_in_its_pixels_ends_too_early(form):
    data = encoded(quadrants() if form == "GIF" else noise(23, 17), form)
    assert message(data[: len(data) * 9 // 10]) == CUT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xd9", "broken image: it has no pixels"),
        (b"\xff\xd8\xff\xe0", CUT),
        (b"\x89PNG\r\n\x1a\n", HEADER.format("PNG")),
        (b"GIF89a", HEADER.format("GIF")),
        (b"II*\0\x08\0\0\0", CUT),
        (b"II*\0\x08\0", HEADER.format("TIFF")),
        (b"\0\0\0\x20ftypavif", HEADER.format("AVIF")),
        (b"P6 4x4 255\n", r"broken image: its header is damaged \(.*\)"),
        (b"Beautiful", r"not an image in a supported format \(JPEG, .*\)"),
    ],
)
def test_a_header_without_an_image_is_named(data, expected):
    assert re.fullmatch(expected, message(data))


@pytest.mark.parametrize("form", WRITERS)
def test_no_image_is_refused_in_the_words_of_a_decoder(form):
    data = encoded(quadrants() if form == "GIF" else noise(23, 17), form)
    messages = set()
    for cut in range(1, len(data), max(len(data) // 100, 1)):
        try:
            load_image(io.BytesIO(data[:cut]))
        except ImageError as error:
            messages.add(str(error))
    assert messages
    assert not [text for text in messages if DECODERS_WORDS.search(text)]
