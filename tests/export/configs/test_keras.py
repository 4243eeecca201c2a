"""The modes of Keras' preprocess_input, as its documentation defines them."""

import numpy as np
import pytest

from edgekit.errors import SpecError
from edgekit.export.configs import keras
from edgekit.preprocess.spec import Preprocess

PIXEL = np.array([10.0, 100.0, 250.0])  # RGB


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("caffe", PIXEL[::-1] - [103.939, 116.779, 123.68]),
        ("tf", PIXEL / 127.5 - 1),
        ("torch", (PIXEL / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("raw", PIXEL),
    ],
)
def test_read_gives_the_arithmetic_of_the_mode(mode, expected):
    found = keras.read(mode)
    preprocess = Preprocess.from_dict({**found.preprocess, "resize": (96, 128), "crop": (96, 128)})
    values = (PIXEL / 255 - preprocess.mean) / preprocess.std
    np.testing.assert_allclose(values[::-1] if found.bgr else values, expected, atol=1e-9)
    assert (preprocess.fit, preprocess.interpolation, preprocess.resampler) == ("squash", "nearest", "pillow")
    assert found.sources["mean"] == f"preset keras-{mode}"


def test_read_refuses_other_modes():
    with pytest.raises(SpecError, match="unknown mode of Keras 'caffee'; did you mean caffe"):
        keras.read("caffee")
