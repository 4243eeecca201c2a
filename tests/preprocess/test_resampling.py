"""The pixels of views: every fit against torchvision, the color outside the image, the box against the whole image."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from edgekit.image.size import Size, size_of
from edgekit.preprocess.crops import PLANS, Box, View
from edgekit.preprocess.geometry import resized_size
from edgekit.preprocess.resampling import INTERPOLATIONS
from edgekit.preprocess.spec import Preprocess


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def functional(torchvision_models):
    """torchvision's functions on PIL images and tensors; the fixture before it makes the import possible."""
    import torchvision.transforms.v2.functional

    return torchvision.transforms.v2.functional


CROPS = [(24, 24), (32, 20), (47, 50), (61, 33)]


@pytest.mark.parametrize("crop", CROPS, ids=str)
@pytest.mark.parametrize("size", [(50, 71), (71, 50), (9, 100), (40, 40)], ids=str)
@pytest.mark.parametrize("fit", ["squash", "letterbox", "cover"])
def test_pixels_of_every_fit_equal_torchvisions(functional, fit, size, crop):
    preprocess, image = Preprocess(fit=fit, resize=(40, 33), crop=crop, fill=(9, 150, 250)), noise(*size)
    resized = functional.resize(image, list(resized_size(Size(*size), preprocess)))
    missing = [max(c - e, 0) for c, e in zip(crop, size_of(resized), strict=True)]
    before, after = [m // 2 for m in missing], [(m + 1) // 2 for m in missing]
    padded = functional.pad(resized, [before[1], before[0], after[1], after[0]], fill=[9, 150, 250])
    black = np.asarray(functional.center_crop(resized, crop))
    np.testing.assert_array_equal(preprocess.pixels(image)[0], np.asarray(functional.center_crop(padded, crop)))
    np.testing.assert_array_equal(Preprocess(fit=fit, resize=(40, 33), crop=crop).pixels(image)[0], black)


@pytest.mark.parametrize("name", INTERPOLATIONS["torch"])
@pytest.mark.parametrize("size", [(50, 71), (71, 50), (200, 30)], ids=str)
def test_pixels_without_antialiasing_equal_torchvisions_on_float_tensors(functional, name, size):
    import torch
    from torchvision.transforms import InterpolationMode

    image = noise(*size)
    tensor = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()
    resized = functional.resize(tensor, [28], interpolation=InterpolationMode(name), antialias=False)
    cropped = functional.center_crop(resized, [24, 24]).round().clamp(0, 255)
    expected = cropped.permute(1, 2, 0).numpy().astype(int)
    preprocess = Preprocess(resize=28, crop=24, interpolation=name, resampler="torch")
    difference = np.abs(preprocess.pixels(image)[0] - expected)
    assert difference.max() <= 1  # where torch's fused additions round n + 0.5 the other way
    assert (difference > 0).mean() <= 1e-3


SPECS = st.builds(
    Preprocess,
    fit=st.sampled_from(["squash", "letterbox", "cover"]),
    resize=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    crop=st.tuples(st.integers(8, 30), st.integers(8, 30)),
    pad=st.integers(0, 7),
    fill=st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)),
    offset=st.sampled_from(["round", "floor"]),
)
IMAGES = st.builds(noise, st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))


@given(IMAGES, SPECS, st.sampled_from(["center", "ten", "wide", "whole"]))
@settings(max_examples=60)
def test_resampling_only_the_box_differs_by_rounding_for_every_fit(image, preprocess, plan):
    for view in PLANS[plan].views(size_of(image), preprocess):
        whole, box = (preprocess.pixels(image, [view], whole=whole).astype(int) for whole in (True, False))
        assert np.abs(whole - box).max() <= 2  # Pillow rounds across and down


@given(IMAGES, SPECS)
@settings(max_examples=40)
def test_nearest_pixels_do_not_depend_on_what_is_resampled(image, preprocess):
    nearest = Preprocess.from_dict(preprocess.to_dict() | {"interpolation": "nearest"})
    np.testing.assert_array_equal(nearest.pixels(image), nearest.pixels(image, whole=False))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("resampler", INTERPOLATIONS)
@pytest.mark.parametrize("color", ["RGB", "L"])
def test_fill_is_the_color_outside_the_image(color, resampler, whole):
    fill = (10, 20, 30)[: len(color)]
    preprocess = Preprocess(
        color=color, fit="letterbox", resize=20, crop=20, pad=2, fill=fill, resampler=resampler, mean=0.5, std=0.5
    )
    image = Image.new(color, (40, 20), 200 if color == "L" else (200, 210, 220))
    (view,) = PLANS["center"].views(size_of(image), preprocess)
    for pixels in preprocess.pixels(image, [view, view._replace(mirrored=True)], whole=whole):
        outside = np.ones((20, 20), bool)
        outside[5:15] = False  # the image is 20x10, in the middle of 24x24 with its padding
        assert (pixels[outside] == fill).all()
        assert (pixels[~outside] == (200, 210, 220)[: len(color)]).all()


@pytest.mark.parametrize("resampler", INTERPOLATIONS)
def test_a_view_beside_the_image_has_the_color_fill(resampler):
    preprocess = Preprocess(fit="squash", resize=20, crop=8, fill=77, resampler=resampler)
    beside = View(Size(20, 20), Box(30, 0, 38, 8))
    assert (preprocess.pixels(noise(9, 9), [beside], whole=False) == 77).all()


@pytest.mark.parametrize("resampler", INTERPOLATIONS)
def test_views_of_one_call_equal_those_of_many(resampler):
    preprocess, image = Preprocess(fit="cover", resize=(20, 24), crop=(16, 16), resampler=resampler), noise(33, 70)
    views = PLANS["ten"].views(size_of(image), preprocess)
    together = preprocess.pixels(image, views)
    np.testing.assert_array_equal(together, np.concatenate([preprocess.pixels(image, [view]) for view in views]))
    np.testing.assert_array_equal(together[5:], together[:5, :, ::-1])
