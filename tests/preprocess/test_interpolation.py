"""Resizing without antialiasing, against torch and TensorFlow."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from made_resized import METHODS, PATH, SIZES, synthetic

from edgekit.image.size import Size
from edgekit.preprocess.crops import Box
from edgekit.preprocess.interpolation import interpolated
from edgekit.preprocess.resampling import INTERPOLATIONS

COMPUTED = [(resampler, name) for resampler in ("torch", "tensorflow") for name in INTERPOLATIONS[resampler]]


def resized(pixels: np.ndarray, size: tuple[int, int], interpolation: str, resampler: str) -> np.ndarray:
    return interpolated(pixels, Size(*size), Box(0, 0, *size), interpolation=interpolation, resampler=resampler)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", INTERPOLATIONS["torch"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((375, 500), (224, 224)),
        ((33, 71), (224, 180)),
        ((100, 100), (50, 50)),
        ((997, 255), (256, 64)),
        ((64, 64), (64, 64)),
        ((1, 1), (3, 5)),
        ((2, 9001), (2, 300)),
    ],
    ids=str,
)
def test_interpolated_equals_torch(name, source, target):
    torch = pytest.importorskip("torch")
    pixels = noise(*source)
    options = {} if name == "nearest" else {"align_corners": False, "antialias": False}
    floats = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    peer = torch.nn.functional.interpolate(floats, target, mode=name, **options)
    expected = peer.round().clamp(0, 255)[0].permute(1, 2, 0).numpy().astype(int)
    difference = np.abs(resized(pixels, target, name, "torch") - expected)
    # torch may fuse multiplications with additions, so that a sum a rounding error away from n + 0.5 goes either way.
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-4


@pytest.mark.parametrize("number", range(len(SIZES)), ids=lambda number: str(SIZES[number]))
@pytest.mark.parametrize("name", METHODS)
def test_interpolated_equals_tensorflow(name, number):
    source, target = SIZES[number]
    with np.load(PATH) as expected:
        actual = resized(synthetic(*source), target, name, "tensorflow")
        np.testing.assert_array_equal(actual, expected[f"{name} {number}"])


def test_interpolated_differs_between_the_libraries_where_their_arithmetic_does():
    """So that neither peer test would pass with the other library's formulas."""
    pixels = noise(40, 50)
    equal = {
        name: np.array_equal(*(resized(pixels, (23, 31), name, resampler) for resampler in ("torch", "tensorflow")))
        for name in INTERPOLATIONS["torch"]
    }
    assert equal == {"nearest": False, "bilinear": True, "bicubic": False}


@given(st.data())
@settings(max_examples=60)
def test_interpolated_box_is_that_part_of_the_whole(data):
    height, width, down, across = (data.draw(st.integers(1, 40)) for _ in range(4))
    top, left = data.draw(st.integers(0, down - 1)), data.draw(st.integers(0, across - 1))
    box = Box(top, left, data.draw(st.integers(top + 1, down)), data.draw(st.integers(left + 1, across)))
    resampler, name = data.draw(st.sampled_from(COMPUTED))
    pixels = noise(height, width)
    part = interpolated(pixels, Size(down, across), box, interpolation=name, resampler=resampler)
    whole = resized(pixels, (down, across), name, resampler)
    np.testing.assert_array_equal(part, whole[box.top : box.bottom, box.left : box.right])


@pytest.mark.parametrize(("resampler", "name"), COMPUTED)
def test_interpolated_gray_is_one_channel_of_color(resampler, name):
    pixels = noise(19, 23)
    gray = resized(pixels[..., 1], (11, 30), name, resampler)
    np.testing.assert_array_equal(gray, resized(pixels, (11, 30), name, resampler)[..., 1])


@pytest.mark.parametrize(("resampler", "name"), COMPUTED)
def test_interpolated_keeps_a_flat_color_and_clamps(resampler, name):
    assert (resized(np.full((9, 14, 3), 201, np.uint8), (31, 5), name, resampler) == 201).all()
    edges = np.repeat(np.uint8([0, 255, 0, 255]), 8)[None].repeat(4, 0)
    values = resized(edges, (9, 301), name, resampler)  # bicubic and lanczos overshoot at an edge
    assert (values.min(), values.max()) == (0, 255)
