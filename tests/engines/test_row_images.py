import numpy as np
import pytest
from PIL import Image

from edgekit import Classifier, ImageError, load_image
from edgekit.engines.row_images import image_source


def pixels_of(value: object) -> np.ndarray:
    return np.asarray(load_image(image_source(value)).pixels)


@pytest.fixture
def pixels():
    return np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)


def nested_arrays(values: np.ndarray) -> np.ndarray:
    """As pandas has columns of lists of lists: arrays of objects that are arrays."""
    if values.ndim == 1:
        return values
    array = np.empty(len(values), object)
    array[:] = [nested_arrays(item) for item in values]
    return array


@pytest.mark.parametrize(
    "form", [lambda array: array, np.ndarray.tolist, nested_arrays], ids=["array", "lists", "objects"]
)
def test_decoded_pixels_are_the_image(pixels, form):
    assert np.array_equal(pixels_of(form(pixels)), pixels)


def test_structs_have_bytes_or_a_path(pixels, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    for struct in ({"bytes": path.read_bytes(), "path": "absent.png"}, {"bytes": None, "path": str(path)}):
        assert np.array_equal(pixels_of(struct), pixels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_struct_of_spark_has_blue_first(channels):
    pixels = np.random.default_rng(2).integers(0, 256, (4, 6, channels), np.uint8)
    pixels[..., 3:] = 255
    stored = pixels if channels == 1 else pixels[..., [2, 1, 0, 3][:channels]]
    struct = {"origin": "a.png", "height": 4, "width": 6, "nChannels": channels, "mode": 16, "data": stored.tobytes()}
    expected = pixels[..., :3] if channels > 1 else np.repeat(pixels, 3, axis=2)
    assert np.array_equal(pixels_of(struct), expected)


def test_uri_is_read_from_its_store(pixels, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    assert np.array_equal(pixels_of(path.as_uri()), pixels)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "cannot read an image from an object of type NoneType"),
        (float("nan"), "cannot read an image from an object of type float"),
        ({"bytes": None, "path": None}, 'the struct has no image: it needs a value in "bytes" or "path"'),
        ({"size": 3}, "the struct has no image"),
        ({"height": 9, "width": 9, "nChannels": 3, "data": b"short"}, "not the bytes of an image of shape (9, 9, 3)"),
        ({"height": -1, "width": -1, "nChannels": -1, "data": b""}, "not the bytes of an image of shape (-1, -1, -1)"),
        ({"height": "9", "width": 9, "nChannels": 3, "data": b""}, "not the bytes of an image of shape"),
        ([[[256, 0, 0]]], "nested lists must be the pixels of an image"),
        ([[[0.5, 0, 0]]], "nested lists must be the pixels of an image"),
        ([[1, 2], [3]], "nested lists must be the pixels of an image"),
        ([], "nested lists must be the pixels of an image"),
        ([[]], "nested lists must be the pixels of an image"),
        (["a.png"], "nested lists must be the pixels of an image"),
        ("file:///absent.png", "absent.png"),
        ("http://127.0.0.1:9/a.png", "http://127.0.0.1:9/a.png: "),
        ("s3+odd://bucket/a.png", "s3+odd://bucket: no installed package reads s3+odd"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_image_is_an_image_error(value, reason, tiny_artifact):
    with Classifier(tiny_artifact, threads=1) as classifier:
        (error,) = classifier.predict_many([image_source(value)])
    assert isinstance(error, ImageError)
    assert reason in str(error)
