"""Hue shifts, and color noise along principal axes."""

import numpy as np
import pytest

from edgekit.dataset import ImageSet
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.color import color_axes, hue_shift, pca_shift

PREPROCESS = Preprocess(resize=40, crop=Size(32, 32))


def test_hue_shift_keeps_gray_and_turns_red_to_green():
    gray = np.full((4, 4, 3), 90, np.uint8)
    assert np.array_equal(hue_shift(gray, 0.5, np.random.default_rng(0)), gray)

    class Third:
        def uniform(self, low, high):
            return 1 / 3

    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    green = hue_shift(red, 0.5, Third())
    assert green[0, 0, 1] > 250
    assert green[0, 0, 0] < 10


def test_color_axes_follow_the_covariance_of_the_colors():
    rng = np.random.default_rng(0)
    direction = np.array([2.0, 1.0, 0.5])
    images = [np.full((8, 8, 3), 128) + (rng.normal(0, 15) * direction) for _ in range(40)]
    arrays = [p.clip(0, 255).astype(np.uint8) for p in images]
    axes = color_axes(ImageSet(("a",), arrays, tuple("x" * 40), (0,) * 40), PREPROCESS)
    longest = axes[:, np.linalg.norm(axes, axis=0).argmax()]
    cosine = abs(longest @ direction) / np.linalg.norm(longest) / np.linalg.norm(direction)
    assert cosine > 0.999
    assert np.linalg.norm(longest) == pytest.approx(15 * np.linalg.norm(direction), rel=0.4)


def test_pca_shift_adds_one_color_to_the_whole_image():
    pixels = np.full((4, 4, 3), 128, np.uint8)
    shifted = pca_shift(pixels, 0.5, np.diag([40.0, 20.0, 10.0]), np.random.default_rng(0))
    assert len(np.unique(shifted.reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(shifted, pixels)
