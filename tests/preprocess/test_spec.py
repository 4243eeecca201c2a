"""Preprocess: its arithmetic against torchvision's, its geometry, its round trip, its refusals."""

import json
import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from edgekit.errors import SpecError
from edgekit.image.load import load_image
from edgekit.image.size import Size, size_of
from edgekit.preprocess import resampling
from edgekit.preprocess.crops import PLANS
from edgekit.preprocess.field_values import MAX_EXTENT
from edgekit.preprocess.resampling import INTERPOLATIONS
from edgekit.preprocess.spec import Preprocess


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


IMAGES = st.builds(noise, st.integers(1, 90), st.integers(1, 90), st.integers(0, 9))
SMALL = Preprocess(resize=24, crop=Size(16, 20))


@pytest.fixture(scope="session")
def transforms(torchvision_models):
    """torchvision.transforms; the fixture before it makes the import possible."""
    import torchvision.transforms

    return torchvision.transforms


def peer(transforms, resize: int, crop: int, name: str = "bilinear"):
    mode = transforms.InterpolationMode(name)
    return transforms.Compose([transforms.Resize(resize, interpolation=mode), transforms.CenterCrop(crop)])


SIZES = [(375, 500), (500, 375), (256, 256), (257, 301), (255, 997), (997, 255), (224, 224), (33, 71), (301, 3), (1, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (224, 224), (255, 191)])
def test_pixels_equal_torchvisions_for_every_size(transforms, size, resize, crop):
    image = noise(*size)
    ours = Preprocess(resize=resize, crop=crop).pixels(image)
    np.testing.assert_array_equal(ours[0], np.asarray(peer(transforms, resize, crop)(image)))


@pytest.mark.parametrize("name", ["bicubic", "lanczos", "nearest", "box", "hamming"])
def test_pixels_equal_torchvisions_with_every_filter(transforms, name):
    ours = Preprocess(resize=70, crop=60, interpolation=name).pixels(noise(99, 121))
    np.testing.assert_array_equal(ours[0], np.asarray(peer(transforms, 70, 60, name)(noise(99, 121))))


def test_pixels_equal_torchvisions_for_photos(transforms, shared):
    paths = sorted((shared / "data" / "imagenet-photos").rglob("*.[jJ]*"))[::25]
    assert len(paths) >= 10
    for path in paths:
        image = load_image(path).pixels
        expected = np.asarray(peer(transforms, 256, 224)(image))
        np.testing.assert_array_equal(Preprocess().pixels(image)[0], expected, err_msg=path.name)


@given(IMAGES)
def test_pixels_of_mirrored_views_are_mirrored(image):
    ten = SMALL.pixels(image, PLANS["ten"].views(size_of(image), SMALL))
    np.testing.assert_array_equal(ten[5:], ten[:5, :, ::-1])
    np.testing.assert_array_equal(SMALL.pixels(image), ten[4:5])


@given(IMAGES, st.integers(0, 7))
@settings(max_examples=40)
def test_resampling_only_the_box_differs_by_rounding(image, pad):
    spec = Preprocess(resize=24, crop=Size(16, 20), pad=pad)
    views = PLANS["ten"].views(size_of(image), spec)
    whole = spec.pixels(image, views).astype(int)
    limit = resampling._MAX_RESIZED_PIXELS
    try:
        resampling._MAX_RESIZED_PIXELS = 0
        box = spec.pixels(image, views).astype(int)
    finally:
        resampling._MAX_RESIZED_PIXELS = limit
    assert np.abs(whole - box).max() <= 2  # Pillow rounds across and down


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 60_000)], ids=str)
def test_pixels_of_strips_need_no_gigabytes(size):
    strip = Image.new("RGB", (size[1], size[0]), (1, 2, 3))
    for plan in PLANS.values():
        pixels = Preprocess().pixels(strip, plan.views(Size(*size), Preprocess()))
        assert pixels.shape == (len(plan), 224, 224, 3)
        there = (pixels == (1, 2, 3)).all(axis=-1)
        assert there.any() if plan.name == "whole" else there.all()


@pytest.mark.parametrize("wrong", [0, (0, 5), (5,), "ab", None, (10**9, 1), 0.5])
@pytest.mark.parametrize("fit", ["squash", "letterbox", "cover"])
def test_preprocess_rejects_an_invalid_resize_of_every_fit(fit, wrong):
    with pytest.raises(SpecError, match="`resize` must be 1 to 4096 pixels"):
        Preprocess(fit=fit, resize=wrong)


def test_padding_is_black_around_the_image():
    spec = Preprocess(color="L", resize=28, crop=32, pad=2, mean=0.1, std=0.3)
    pixels = spec.pixels(Image.new("L", (28, 28), 200))[0, ..., 0]
    assert (pixels[2:-2, 2:-2] == 200).all()
    assert pixels.sum() == 200 * 28 * 28


def test_pixels_rejects_an_image_in_another_mode():
    gray = Preprocess(color="L", resize=8, crop=8, mean=0.5, std=0.5)
    assert gray.pixels(Image.new("L", (9, 9))).shape == (1, 8, 8, 1)
    with pytest.raises(SpecError, match="`image` is in mode RGB, but the network expects L"):
        gray.pixels(Image.new("RGB", (9, 9)))


def test_scalars_stand_for_every_channel():
    assert Preprocess(mean=0.5, std=(0.25,)) == Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3)
    assert Preprocess(crop=224) == Preprocess(crop=(224, 224)) == Preprocess(crop=[224, 224])


FLOATS = st.floats(-1, 1)
EXTENTS = st.integers(1, MAX_EXTENT)
BYTES = st.integers(0, 255)


@given(
    st.one_of(
        st.fixed_dictionaries({"fit": st.just("short-edge"), "resize": EXTENTS}),
        st.fixed_dictionaries(
            {"fit": st.sampled_from(["squash", "letterbox", "cover"]), "resize": st.tuples(EXTENTS, EXTENTS)}
        ),
    ),
    st.tuples(EXTENTS, EXTENTS),
    st.sampled_from([(resampler, name) for resampler, names in INTERPOLATIONS.items() for name in names]),
    st.sampled_from(["round", "floor"]),
    st.tuples(BYTES, BYTES, BYTES),
    st.tuples(FLOATS, FLOATS, FLOATS),
    st.floats(1 / 1024, 4),
)
def test_to_dict_round_trips_through_json(resize, crop, resampling, offset, fill, mean, std):
    resampler, interpolation = resampling
    spec = Preprocess(
        **resize,
        crop=crop,
        pad=min(crop) - 1,
        fill=fill,
        offset=offset,
        interpolation=interpolation,
        resampler=resampler,
        mean=mean,
        std=std,
    )
    assert Preprocess.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_to_dict_leaves_out_the_defaults_of_later_fields():
    """So that model files without them keep their bytes."""
    assert json.dumps(Preprocess(mean=0.5, std=0.25).to_dict()) == (
        '{"color": "RGB", "resize": 256, "pad": 0, "crop": [224, 224], "interpolation": "bilinear", '
        '"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}'
    )
    changed = Preprocess(fit="squash", resize=9, fill=7, offset="floor", resampler="torch").to_dict()
    assert {name: changed[name] for name in ("fit", "resize", "fill", "offset", "resampler")} == {
        "fit": "squash",
        "resize": [9, 9],
        "fill": [7, 7, 7],
        "offset": "floor",
        "resampler": "torch",
    }


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "224x224 RGB, short edge 256, bilinear"),
        ({"color": "L", "pad": 2, "mean": 0, "std": 1}, "224x224 L, short edge 256, bilinear, padded by 2"),
        ({"fit": "squash", "resize": (8, 9), "crop": (8, 9)}, "8x9 RGB, squashed to 8x9, bilinear"),
        ({"fit": "cover", "offset": "floor"}, "224x224 RGB, covering 256x256, bilinear, crop offset rounded down"),
        ({"fit": "letterbox", "fill": (1, 2, 3)}, "224x224 RGB, letterboxed into 256x256, bilinear, filled with 1 2 3"),
        (
            {"interpolation": "bicubic", "resampler": "tensorflow"},
            "224x224 RGB, short edge 256, bicubic as in tensorflow, not antialiased",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_describe_names_what_differs_from_the_usual(values, text):
    assert Preprocess(**values).describe() == text


def test_with_changes_resizes_to_the_crop_if_only_the_fit_is_new():
    spec = Preprocess(crop=(96, 128))
    assert spec.with_changes({}) == spec
    assert spec.with_changes({"fit": "squash"}) == Preprocess(fit="squash", resize=(96, 128), crop=(96, 128))
    assert spec.with_changes({"fit": "letterbox", "crop": 64, "pad": 3}).resize == Size(58, 58)
    assert spec.with_changes({"fit": "squash", "resize": 256}).resize == Size(256, 256)
    squash = spec.with_changes({"fit": "squash", "resize": 256})
    assert squash.with_changes({"fit": "squash", "fill": 9}).resize == Size(256, 256)
    assert squash.with_changes({"fit": "short-edge", "resize": 128}).resize == 128


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mean": (123.675, 116.28, 103.53)}, r"which gives \(0.485, 0.456, 0.406\)$"),
        ({"std": (58.395, 57.12, 57.375)}, r"which gives \(0.229, 0.224, 0.225\)$"),
        ({"mean": -1.01}, r"`mean` must be on a 0-1 scale, -1 to 1 \(got -1.01\); 0-255 values must be divided by 255"),
        ({"std": 1 / 1025}, r"`std` must be on a 0-1 scale, 1/1024 to 4 \(got 0.000[0-9]+\)$"),
        ({"mean": 1000}, r"`mean` must be on a 0-1 scale, -1 to 1 \(got 1000\)$"),
        ({"resize": (224, 224)}, "needs another `fit` than short-edge"),
        ({"interpolation": "lanczos", "resampler": "torch"}, "nearest, bilinear or bicubic with resampler torch"),
        ({"fill": (1, 2)}, "`fill` must be one integer, or 3 for RGB"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_preprocess_names_what_was_probably_meant(values, message):
    with pytest.raises(SpecError, match=message):
        Preprocess(**values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"color": "BGR"},
        {"color": ["RGB"]},
        {"interpolation": "area"},
        {"interpolation": ["bilinear"]},
        {"interpolation": None},
        *({"fit": value} for value in ("stretch", None, ["squash"], 1)),
        *({"offset": value} for value in ("ceil", None, 0)),
        *({"resampler": value} for value in ("opencv", None, {})),
        *({"fill": value} for value in (-1, 256, 0.5, "0", None, True, (1, 2), (1, 2, 300), [[1]] * 3)),
        *({"resize": value} for value in (0, -1, 1.5, "256", None, True, 10**9, math.inf)),
        *({"pad": value} for value in (-1, 224, 10**9, 0.5, False, "2")),
        *({"crop": value} for value in (0, 10**9, (0, 5), (5,), (5, 5, 5), "ab", None, True, (10**9, 1), {1: 2, 3: 4})),
        *(
            {"mean": value}
            for value in (math.nan, (0.1, 0.2), "0.5", "abc", None, True, (True,) * 3, 10**400, [[0.1]] * 3)
        ),
        *({"std": value} for value in (0, -1, (0.1, 0.2, 0), 58.4, 1 / 1025, math.inf, math.nan)),
        *({"mean": value} for value in (1.01, -1.01, (0.5, 0.5, 127.5))),
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_preprocess_rejects_invalid_values(wrong):
    with pytest.raises(SpecError) as caught:
        Preprocess(**wrong)
    assert next(iter(wrong)) in str(caught.value)
    with pytest.raises(SpecError):
        Preprocess.from_dict(wrong)


@pytest.mark.parametrize("wrong", [{"sise": 3}, {7: 3}, [], None, "resize"], ids=str)  # sic
def test_from_dict_rejects_unknown_names(wrong):
    with pytest.raises(SpecError):
        Preprocess.from_dict(wrong)


@pytest.mark.parametrize("wrong", [None, "image.jpg", np.zeros((9, 9, 3), np.uint8)], ids=["None", "path", "array"])
def test_pixels_rejects_what_is_not_a_loaded_image(wrong):
    with pytest.raises(SpecError, match="`image` must be the result of load_image, or a PIL image"):
        Preprocess().pixels(wrong)
