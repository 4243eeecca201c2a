"""Images, decoded once and read many times; and the sets of them that no range can be measured on."""

import numpy as np
import pytest
from made_images import encoded, exif, quadrants
from made_networks import CROP, network_info, noise

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.files import sha256
from edgekit.image.load import load_image
from edgekit.preprocess.spec import Preprocess
from edgekit.quantize.pixel_cache import PixelCache, check_calibration

PREPROCESS = network_info().preprocess
GRAY = Preprocess(color="L", resize=16, crop=CROP, mean=(0.5,), std=(0.5,))


def image_set(arrays: list) -> ImageSet:
    return ImageSet((), arrays, tuple(f"p{i}" for i in range(len(arrays))), (0,) * len(arrays))


def warnings(arrays: list, preprocess: Preprocess = PREPROCESS) -> list[str]:
    with PixelCache(image_set(arrays), preprocess) as cache:
        return check_calibration(cache, preprocess)


ARRAYS = [image[0] for image in noise(12)]


def test_every_pass_reads_the_same_pixels():
    with PixelCache(image_set(ARRAYS), PREPROCESS) as cache:
        assert len(cache) == 12
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(cache)), np.stack(ARRAYS))
        np.testing.assert_array_equal(np.concatenate(list(cache.first(3))), np.stack(ARRAYS[:3]))
        assert cache.sha256 == sha256(np.stack(ARRAYS).tobytes())


def test_good_images_raise_no_doubt():
    assert warnings(ARRAYS) == []


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (ARRAYS[:3], "3 calibration images, 3 of them different"),
        ([ARRAYS[0]] * 20, "20 calibration images, 1 of them different"),
        ([b"broken", *ARRAYS[:7]], r"7 calibration images, .* \(unreadable: p0: "),
        ([np.full((16, 16, 3), 100 + i // 2, np.uint8) for i in range(20)], "all alike: they vary by 2"),
    ],
)
def test_sets_that_cannot_do_are_refused(arrays, said):
    with pytest.raises(DataError, match=said):
        warnings(arrays)


def test_doubtful_sets_are_warned_of():
    gray = [np.repeat(array[..., :1], 3, axis=2) for array in ARRAYS]
    assert "all gray, and the model takes color" in warnings(gray)[0]
    assert "in color, and the model takes gray" in warnings(ARRAYS, GRAY)[0]
    assert "1 calibration images cannot be read" in warnings([*ARRAYS, b"broken"])[0]
    assert "only 12 of the 30 calibration images are different" in warnings([*ARRAYS, *[ARRAYS[0]] * 18])[0]


@pytest.mark.parametrize("preprocess", [PREPROCESS, GRAY], ids=["RGB", "gray"])
def test_pixel_cache_turns_an_image_upright_once(preprocess):
    turned = encoded(quadrants(64, 40), "PNG", exif=exif(6))
    with PixelCache(image_set([turned]), preprocess) as cache:
        upright = load_image(turned, color=preprocess.color)
        assert upright.size == (64, 40)
        np.testing.assert_array_equal(next(iter(cache)), preprocess.pixels(upright))
