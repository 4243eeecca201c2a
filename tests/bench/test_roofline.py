"""The matrix product that measures the peak of the machine."""

import numpy as np
import pytest

from edgekit.bench import roofline


@pytest.mark.parametrize("int8", [False, True])
def test_matrix_product_agrees_with_numpy(int8):
    output = roofline.matrix_product(int8=int8, threads=1)()[0]
    rng = np.random.default_rng(0)
    right, left = rng.integers(-64, 65, (512, 512)), rng.integers(0, 256, (512, 512))
    np.testing.assert_allclose(output, left.astype(np.float64) @ right, rtol=1e-5, atol=2)
