"""Augmentation of one training image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.preprocess.crops import Box, View
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.augment import _at_progress, _random_view, augmented, stretched_size
from edgekit.train.settings import Augment

PREPROCESS = Preprocess(resize=40, crop=Size(32, 32))
EVERYTHING = {
    "mirror": True,
    "rotate": 20.0,
    "shear": 10.0,
    "color": 0.3,
    "hue": 0.1,
    "pca_color": 0.1,
    "erase": 0.5,
}


def noise(height=50, width=70):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def view(augment, *, seed=0, source=None):
    rng = np.random.default_rng(seed)
    axes = np.diag([30.0, 20.0, 10.0])
    return augmented(LoadedImage.of(source or noise()), PREPROCESS, augment, progress=0.0, rng=rng, axes=axes)


@pytest.mark.parametrize("crops", [{"crop_scale": (0.1, 1.0)}, {"crop_padding": 4}, {}])
def test_augmented_depends_only_on_the_seed(crops):
    augment = Augment(**EVERYTHING, **crops)
    assert view(augment).shape == (32, 32, 3)
    assert np.array_equal(view(augment), view(augment))
    assert not np.array_equal(view(augment), view(augment, seed=1))


@settings(deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    share=st.floats(0.01, 1.0),
    ratio=st.floats(0.75, 1.34),
)
def test_stretched_size_lets_the_crop_cover_the_given_share(height, width, share, ratio):
    crop = Size(24, 32)
    resized = stretched_size(Size(height, width), crop, share, ratio)
    assert resized.height >= crop.height
    assert resized.width >= crop.width
    covered = crop.height * crop.width / (resized.height * resized.width)
    assert covered <= share * 1.15 + 0.02  # a box larger than the image is cut down, and sizes are rounded


def test_augmented_without_margin_is_the_image_itself():
    source = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    augment = Augment(crop_padding=0)
    square = Preprocess(resize=32, crop=Size(32, 32))
    pixels = augmented(LoadedImage.of(source), square, augment, progress=0, rng=np.random.default_rng(0))
    assert np.array_equal(pixels, np.asarray(source))


def test_augmented_progressive_crops_grow():
    augment = Augment(progressive=((0.0, 16), (0.5, 32)))
    rng = np.random.default_rng(0)
    early = augmented(LoadedImage.of(noise()), PREPROCESS, augment, progress=0.2, rng=rng)
    late = augmented(LoadedImage.of(noise()), PREPROCESS, augment, progress=0.7, rng=rng)
    assert early.shape[:2] == (16, 16)
    assert late.shape[:2] == (32, 32)


FITS = ("short-edge", "squash", "letterbox", "cover")


def random_view(size, preprocess, *, seed=0, progress=0.0, **settings_):
    augment = Augment(**settings_)
    rng = np.random.default_rng(seed)
    return _random_view(size, _at_progress(preprocess, augment, progress), augment, rng)


def test_random_views_of_the_short_edge_are_those_of_before_the_other_fits():
    """The same draws in the same order: a recipe gives the same run as before."""
    views = [random_view(Size(50, 70), PREPROCESS, seed=seed, crop_scale=(0.4, 1.0)) for seed in range(2)]
    views += [random_view(Size(50, 70), PREPROCESS, seed=seed, crop_padding=4) for seed in range(2)]
    assert views == [
        View(Size(32, 46), Box(0, 4, 32, 36)),
        View(Size(37, 40), Box(0, 1, 32, 33)),
        View(Size(40, 56), Box(10, 17, 42, 49)),
        View(Size(40, 56), Box(4, 12, 36, 44)),
    ]


@settings(deadline=None)
@given(
    size=st.builds(Size, st.integers(1, 400), st.integers(1, 400)),
    fit=st.sampled_from(FITS),
    crops=st.sampled_from([{"crop_scale": (0.08, 1.0)}, {"crop_padding": 4}, {}, {"progressive": ((0.0, 24),)}]),
    seed=st.integers(0, 99),
)
def test_random_view_of_every_fit_is_a_crop(size, fit, crops, seed):
    preprocess = PREPROCESS if fit == "short-edge" else Preprocess(fit=fit, resize=(40, 36), crop=Size(32, 32))
    resized, box, _ = random_view(size, preprocess, seed=seed, **crops)
    side = 24 if "progressive" in crops else 32
    assert (box.bottom - box.top, box.right - box.left) == (side, side)
    if fit == "letterbox" or "crop_scale" in crops:
        return
    border = crops.get("crop_padding", 0)
    assert min(box.top, box.left) >= -border
    assert box.bottom <= resized.height + border
    assert box.right <= resized.width + border


@pytest.mark.parametrize("size", [Size(30, 90), Size(90, 30), Size(50, 50)], ids=str)
def test_random_view_squashes_as_the_preprocessing_does(size):
    """A squashed image has no proportions of its own, so the draws mean the same for all."""
    preprocess = Preprocess(fit="squash", resize=40, crop=32)
    for crops in ({"crop_scale": (0.2, 1.0)}, {"crop_padding": 3}):
        assert random_view(size, preprocess, **crops) == random_view(Size(7, 9), preprocess, **crops)


def test_random_view_of_a_letterbox_may_show_its_border():
    preprocess = Preprocess(fit="letterbox", resize=32, crop=32)
    assert random_view(Size(30, 60), preprocess) == View(Size(16, 32), Box(-8, 0, 24, 32))
    views = [random_view(Size(30, 60), preprocess, seed=seed, crop_scale=(0.9, 1.0)) for seed in range(20)]
    assert all(view.box.top < 0 and view.box.bottom > view.resize.height for view in views)
    shares = [view.resize.height / view.resize.width for view in views]
    assert min(shares) < 0.5 < max(shares)  # stretched to either side


def test_progressive_crops_keep_the_whole_squashed_image_in_view():
    preprocess = Preprocess(fit="squash", resize=32, crop=32)
    view = random_view(Size(50, 70), preprocess, progressive=((0.0, 16),))
    assert view == View(Size(16, 16), Box(0, 0, 16, 16))


def test_augmented_fills_with_the_color_of_the_preprocessing():
    preprocess = Preprocess(fit="letterbox", resize=32, crop=32, fill=(1, 2, 3))
    rng = np.random.default_rng(0)
    white = LoadedImage.of(Image.new("RGB", (64, 32), (255, 255, 255)))
    pixels = augmented(white, preprocess, Augment(rotate=30.0), progress=0.0, rng=rng)
    assert (pixels[0, 0] == (1, 2, 3)).all()  # from outside the rotated crop
    assert (pixels == (1, 2, 3)).all(axis=2).sum() > 32 * 10
