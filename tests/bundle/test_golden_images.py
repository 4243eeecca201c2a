"""The JPEGs of golden vectors: what they contain, and that they are the same every time."""

import io

import numpy as np
import pytest
from PIL import Image

from edgekit.bundle.golden_images import golden_images
from edgekit.dataset import ImageSet
from edgekit.errors import ImageError
from edgekit.image.load import load_image
from edgekit.image.size import Size

CROP = Size(32, 48)


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


def test_drawn_images_are_the_same_every_time_and_all_different():
    first, second = (golden_images(None, count=17, crop=CROP) for _ in range(2))
    assert first == second
    assert len({image.jpeg for image in first}) == len({image.name for image in first}) == 17
    assert golden_images(None, count=2, crop=CROP) == first[:2]


def test_drawn_images_have_what_ports_get_wrong():
    images = [opened(image.jpeg) for image in golden_images(None, count=16, crop=CROP)]
    assert {image.format for image in images} == {"JPEG"}
    assert {image.mode for image in images} == {"RGB", "L"}
    assert {image.getexif().get(0x0112, 1) for image in images} == {1, 2, 6}
    assert {side % 2 for image in images for side in image.size} == {0, 1}
    assert any(image.width < CROP.height and image.height < CROP.height for image in images)
    assert any(image.width > 2 * image.height for image in images)
    assert any(image.height > image.width for image in images)


def test_drawn_portrait_is_stored_lying_and_loaded_upright():
    (image,) = [image for image in golden_images(None, count=2, crop=CROP) if "turned" in image.name]
    stored, upright = opened(image.jpeg), load_image(image.jpeg).size
    assert (stored.height, stored.width) == (upright.width, upright.height)
    assert upright.height > upright.width


@pytest.mark.parametrize("crop", [Size(1, 1), Size(224, 224)])
def test_drawn_images_follow_the_size_of_the_crop(crop):
    images = [opened(image.jpeg) for image in golden_images(None, count=8, crop=crop)]
    assert max(max(image.size) for image in images) == max(1, round(2.7 * crop.height))


def test_given_images_are_encoded_upright_and_not_larger_than_needed(tmp_path):
    large = Image.new("RGB", (1400, 700), (200, 30, 60))
    turned = Image.new("RGB", (60, 40), (200, 30, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    images = ImageSet(("red",), [large, str(tmp_path / "turned.jpg")], ("large", "turned.jpg"), (0, 0))
    first, second = golden_images(images, count=8, crop=CROP)
    assert (first.name, opened(first.jpeg).size) == ("large", (1024, 512))
    assert (second.name, opened(second.jpeg).size) == ("turned.jpg", (40, 60))
    assert 0x0112 not in opened(second.jpeg).getexif()
    assert large.size == (1400, 700)
    assert np.abs(np.asarray(opened(first.jpeg), np.int64) - (200, 30, 60)).max() <= 2


def test_given_images_have_names_that_json_can_contain():
    images = ImageSet(("red",), [Image.new("RGB", (9, 9))], ("red\udce9 \N{GREEK SMALL LETTER PI}.jpg",), (0,))
    (image,) = golden_images(images, count=1, crop=CROP)
    assert image.name == "red\\udce9 \N{GREEK SMALL LETTER PI}.jpg"


def test_given_images_that_cannot_be_read_are_an_error():
    with pytest.raises(ImageError):
        golden_images(ImageSet(("red",), [b"junk"], ("junk.jpg",), (0,)), count=1, crop=CROP)
