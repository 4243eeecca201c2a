"""The images of a search."""

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import DataError
from edgekit.fit.images import read_search_images
from edgekit.stages import no_progress


def _draw(folder, count, *, classes=("a", "b"), gray=False, size=(20, 16), seed=0):
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (size[1], size[0], 1 if gray else 3)).repeat(3 if gray else 1, axis=2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{seed}-{number}.png")
    return folder


def _read(root, *, known=None, **options):
    options = {"val_fraction": 0.0, "seed": 0, "allow_leaks": False, **options}
    return read_search_images(root, known=known or {}, progress=no_progress, **options)


def test_search_holds_out_training_images_of_each_class_and_leaves_val_alone(tmp_path):
    _draw(tmp_path / "train", 20), _draw(tmp_path / "val", 5, seed=1)
    images = _read(tmp_path)
    assert (len(images.training), len(images.validation)) == (40, 10)
    assert images.deciding.class_counts().tolist() == [5, 5]
    assert set(images.learning.names) | set(images.deciding.names) == set(images.training.names)
    assert not set(images.learning.names) & set(images.deciding.names)
    assert (images.edge, images.channels) == (16, 3)
    assert _read(tmp_path).deciding.names == images.deciding.names
    assert _read(tmp_path, seed=1).deciding.names != images.deciding.names


def test_what_an_earlier_session_found_out_is_not_found_out_again(tmp_path):
    _draw(tmp_path / "train", 4), _draw(tmp_path / "val", 2, seed=1)
    facts = _read(tmp_path).facts()
    (tmp_path / "train" / "a" / "0-0.png").write_bytes(b"damaged meanwhile")
    assert _read(tmp_path, known=facts).facts() == facts
    with pytest.raises(DataError, match="1 of 8 images cannot be read"):
        _read(tmp_path)


def test_gray_images_are_recognized(tmp_path):
    _draw(tmp_path / "train", 4, gray=True), _draw(tmp_path / "val", 2, gray=True, seed=1)
    assert _read(tmp_path).channels == 1


def test_two_images_are_too_few_to_choose_by(tmp_path):
    _draw(tmp_path / "train", 1), _draw(tmp_path / "val", 1, seed=1)
    with pytest.raises(DataError, match="2 training images are too few to hold some out"):
        _read(tmp_path)


def test_val_images_must_not_be_training_images(tmp_path):
    _draw(tmp_path / "train", 4), _draw(tmp_path / "val", 4)
    with pytest.raises(DataError, match="allow_leaks"):
        _read(tmp_path)
    with pytest.warns(UserWarning, match="training"):
        _read(tmp_path, allow_leaks=True)
