"""Augmentation of one training image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.image.load import LoadedImage
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.augment import augmented, stretched_size
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
