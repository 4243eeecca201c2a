"""Rotation, shear and random erasing."""

import numpy as np

from edgekit.train.augmentations.distort import erased, warped


def test_warped_by_a_quarter_turn_agrees_with_numpy():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)

    class Quarter:
        def uniform(self, low, high):
            return high

    turned = warped(pixels, rotate=90.0, shear=0.0, fill=(0, 0, 0), rng=Quarter())
    inside = np.s_[1:-1, 1:-1]  # positions at the border may fall outside by rounding
    differences = [np.abs(turned[inside].astype(int) - np.rot90(pixels, k)[inside].astype(int)).max() for k in (1, 3)]
    assert min(differences) <= 1


def test_erased_changes_one_rectangle_of_a_copy():
    pixels = np.zeros((32, 32, 3), np.uint8)
    result = erased(pixels, np.random.default_rng(3))
    changed = np.argwhere(result.any(axis=2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0) + 1
    assert 0.01 < (bottom - top) * (right - left) / 32**2 < 0.5
    assert not pixels.any()
