"""The pixel cache, and the check that images are fit for calibration."""

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


def test_pixel_cache_yields_the_same_pixels_each_time():
    with PixelCache(image_set(ARRAYS), PREPROCESS) as cache:
        assert len(cache) == 12
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(cache)), np.stack(ARRAYS))
        np.testing.assert_array_equal(np.concatenate(list(cache.first(3))), np.stack(ARRAYS[:3]))
        assert cache.sha256 == sha256(np.stack(ARRAYS).tobytes())


def test_check_calibration_gives_no_warning_for_varied_images():
    assert warnings(ARRAYS) == []


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (ARRAYS[:3], r"at least 8 different images \(got 3, of which 3 are different\)$"),
        ([ARRAYS[0]] * 20, "got 20, of which 1 are different"),
        ([b"broken", *ARRAYS[:7]], "got 7, of which 7 are different.; unreadable: p0: "),
        ([np.full((16, 16, 3), 100 + i // 2, np.uint8) for i in range(20)], "nearly identical .standard deviation 2"),
    ],
)
def test_check_calibration_raises_for_few_or_identical_images(arrays, message):
    with pytest.raises(DataError, match=message):
        warnings(arrays)


def test_check_calibration_warns_about_unfit_images():
    gray = [np.repeat(array[..., :1], 3, axis=2) for array in ARRAYS]
    assert "images are gray, but the model expects color" in warnings(gray)[0]
    assert "in color, but the model expects gray" in warnings(ARRAYS, GRAY)[0]
    assert "skipped 1 unreadable calibration images" in warnings([*ARRAYS, b"broken"])[0]
    assert "only 12 of 30 calibration images are different" in warnings([*ARRAYS, *[ARRAYS[0]] * 18])[0]


@pytest.mark.parametrize("preprocess", [PREPROCESS, GRAY], ids=["RGB", "gray"])
def test_pixel_cache_applies_the_exif_orientation_once(preprocess):
    rotated = encoded(quadrants(64, 40), "PNG", exif=exif(6))
    with PixelCache(image_set([rotated]), preprocess) as cache:
        upright = load_image(rotated, color=preprocess.color)
        assert upright.size == (64, 40)
        np.testing.assert_array_equal(next(iter(cache)), preprocess.pixels(upright))
