import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.dataset import PictureSet
from edgekit.image.load import LoadedImage, load_image
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.augmentations.augment import augmented, stretched_size
from edgekit.train.augmentations.color import color_axes, hue_shift, pca_shift
from edgekit.train.augmentations.distort import erased, warped
from edgekit.train.augmentations.mixing import mixed
from edgekit.train.loader import epoch_order, training_batches
from edgekit.train.preview import write_preview
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


def picture(height=50, width=70):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def view(augment, *, seed=0, source=None):
    rng = np.random.default_rng(seed)
    axes = np.diag([30.0, 20.0, 10.0])
    return augmented(LoadedImage.of(source or picture()), PREPROCESS, augment, progress=0.0, rng=rng, axes=axes)


@pytest.mark.parametrize("crops", [{"crop_scale": (0.1, 1.0)}, {"crop_padding": 4}, {}])
def test_the_same_seed_gives_the_same_pixels_and_another_one_others(crops):
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
def test_a_stretched_picture_always_covers_the_crop_and_by_the_share_asked_for(height, width, share, ratio):
    crop = Size(24, 32)
    resized = stretched_size(Size(height, width), crop, share, ratio)
    assert resized.height >= crop.height
    assert resized.width >= crop.width
    covered = crop.height * crop.width / (resized.height * resized.width)
    assert covered <= share * 1.15 + 0.02  # a box that would leave the picture is cut down; sizes are whole pixels


def test_a_random_crop_of_all_of_a_square_picture_is_that_picture():
    source = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    augment = Augment(crop_padding=0)
    square = Preprocess(resize=32, crop=Size(32, 32))
    pixels = augmented(LoadedImage.of(source), square, augment, progress=0, rng=np.random.default_rng(0))
    assert np.array_equal(pixels, np.asarray(source))


def test_progressive_crops_grow():
    augment = Augment(progressive=((0.0, 16), (0.5, 32)))
    rng = np.random.default_rng(0)
    early = augmented(LoadedImage.of(picture()), PREPROCESS, augment, progress=0.2, rng=rng)
    late = augmented(LoadedImage.of(picture()), PREPROCESS, augment, progress=0.7, rng=rng)
    assert early.shape[:2] == (16, 16)
    assert late.shape[:2] == (32, 32)


def test_a_quarter_turn_is_numpys():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)

    class Quarter:
        def uniform(self, low, high):
            return high

    turned = warped(pixels, rotate=90.0, shear=0.0, rng=Quarter())
    inside = np.s_[1:-1, 1:-1]  # a place at the very border may fall outside by rounding
    away = [np.abs(turned[inside].astype(int) - np.rot90(pixels, k)[inside].astype(int)).max() for k in (1, 3)]
    assert min(away) <= 1


def test_hue_leaves_gray_alone_and_turns_red_to_green():
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


def test_color_axes_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    direction = np.array([2.0, 1.0, 0.5])
    pictures = [np.full((8, 8, 3), 128) + (rng.normal(0, 15) * direction) for _ in range(40)]
    arrays = [p.clip(0, 255).astype(np.uint8) for p in pictures]
    axes = color_axes(PictureSet(("a",), arrays, tuple("x" * 40), (0,) * 40), PREPROCESS)
    longest = axes[:, np.linalg.norm(axes, axis=0).argmax()]
    cosine = abs(longest @ direction) / np.linalg.norm(longest) / np.linalg.norm(direction)
    assert cosine > 0.999
    assert np.linalg.norm(longest) == pytest.approx(15 * np.linalg.norm(direction), rel=0.4)


def test_pca_color_is_one_color_for_the_whole_picture():
    pixels = np.full((4, 4, 3), 128, np.uint8)
    shifted = pca_shift(pixels, 0.5, np.diag([40.0, 20.0, 10.0]), np.random.default_rng(0))
    assert len(np.unique(shifted.reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(shifted, pixels)


def test_erasing_changes_one_rectangle_of_a_copy():
    pixels = np.zeros((32, 32, 3), np.uint8)
    result = erased(pixels, np.random.default_rng(3))
    changed = np.argwhere(result.any(axis=2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0) + 1
    assert 0.01 < (bottom - top) * (right - left) / 32**2 < 0.5
    assert not pixels.any()


@pytest.mark.parametrize("method", ["mixup", "cutmix"])
def test_mixing_keeps_the_mean_that_its_share_promises(method):
    pixels = np.zeros((2, 64, 64, 1), np.uint8)
    pixels[1] = 200
    labels = np.array([0, 1])
    for seed in range(20):
        joined, first, second, share = mixed(pixels, labels, Augment(**{method: 1.0}), np.random.default_rng(seed))
        for i in range(2):
            expected = share * 200 * int(first[i]) + (1 - share) * 200 * int(second[i])
            assert float(joined[i].float().mean()) == pytest.approx(expected, abs=1.0)


def test_batches_do_not_depend_on_the_number_of_workers(training, lenet_recipe):
    recipe = lenet_recipe(augment={"mixup": 0.4, "rotate": 10.0})
    alone = list(training_batches(training, recipe, epoch=1, workers=0))
    helped = list(training_batches(training, recipe, epoch=1, workers=2))
    assert len(alone) == len(helped) == 6
    for one, other in zip(alone, helped, strict=True):
        assert one.inputs.equal(other.inputs)
        assert one.labels.equal(other.labels)
        assert one.share == other.share


def test_every_picture_comes_once_in_an_epoch_in_batches_of_nearly_one_size(lenet_recipe):
    order = epoch_order(90, lenet_recipe(), 0)
    assert sorted(np.concatenate(order).tolist()) == list(range(90))
    assert {len(step) for step in order} == {15}
    assert {len(step) for step in epoch_order(91, lenet_recipe(), 0)} == {15, 16}


def test_the_preview_of_a_head_alone_shows_what_its_features_are_of(tmp_path, lenet_recipe, picture_set):
    def sheet(augment):
        recipe = lenet_recipe(tune="head", weights="w", augment=augment)
        write_preview(tmp_path / "sheet.png", picture_set(20, seed=0), recipe)
        pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
        return [pixels[:, column * 68 + 4 : column * 68 + 68] for column in range(8)]

    plain = sheet({"rotate": 30.0, "mixup": 1.0})
    assert all(np.array_equal(column, plain[0]) for column in plain)
    copies = sheet({"rotate": 30.0, "mixup": 1.0, "feature_copies": 2})
    assert len({column.tobytes() for column in copies}) == 2


def test_the_preview_is_a_sheet_of_eight_by_eight(tmp_path, lenet_recipe, picture_set):
    write_preview(tmp_path / "sheet.png", picture_set(20, seed=0), lenet_recipe(augment={"erase": 1.0}))
    assert load_image(tmp_path / "sheet.png").size == Size(8 * 68 + 4, 8 * 68 + 4)
