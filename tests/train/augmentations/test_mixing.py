"""Mixup and CutMix."""

import numpy as np
import pytest

from edgekit.train.augmentations.mixing import mixed
from edgekit.train.settings import Augment


@pytest.mark.parametrize("method", ["mixup", "cutmix"])
def test_mixed_images_have_the_mean_that_the_share_implies(method):
    pixels = np.zeros((2, 64, 64, 1), np.uint8)
    pixels[1] = 200
    labels = np.array([0, 1])
    for seed in range(20):
        combined, first, second, share = mixed(pixels, labels, Augment(**{method: 1.0}), np.random.default_rng(seed))
        for i in range(2):
            expected = share * 200 * int(first[i]) + (1 - share) * 200 * int(second[i])
            assert float(combined[i].float().mean()) == pytest.approx(expected, abs=1.0)
