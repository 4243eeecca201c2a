"""The findings as sentences: each appears if its cause is there, and not otherwise."""

import numpy as np
import pytest
from made_audits import colored_images, drawing
from PIL import ImageOps

from edgekit.audit import audit
from edgekit.audit.findings import findings, images_also_in
from edgekit.dataset import ImageSet

CLASSES = ("ant", "bee")


def images(*pairs, prefix=""):
    """Image set of (image or seed of a drawing, label) pairs."""
    sources = [np.asarray(drawing(one)) if isinstance(one, int) else one for one, _ in pairs]
    return ImageSet(
        CLASSES, sources, tuple(f"{prefix}{n}" for n in range(len(pairs))), tuple(label for _, label in pairs)
    )


def test_nothing_is_found_in_good_data():
    assert findings(audit(images((0, 0), (1, 0), (2, 1)))) == ()


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (((0, 0), (1, 1), (b"x", 1)), "1 of 3 files cannot be read"),
        (((0, 0), (1, 1), (np.zeros((9, 9, 3), np.uint8), 1)), "1 image of a single color"),
        (((0, 0), (0, 1)), "1 group of duplicates with different labels: at most one can be right"),
        (((0, 0), (1, 1), (0, 0), (0, 0)), "1 group of duplicates with the same label, 3 images in all"),
        (((0, 0), (1, 0)), "no images of 'bee'"),
        ([(n, n > 0) for n in range(11)], "imbalanced classes: 'bee' has 10 images, 'ant' 1"),
    ],
)
def test_each_problem_is_a_sentence(pairs, sentence):
    assert findings(audit(images(*pairs))) == (sentence,)


def test_copies_across_splits_are_counted_in_the_later_split():
    mirrored = np.asarray(ImageOps.mirror(drawing(1)))
    found = audit(
        {
            "train": images((0, 0), (1, 0), (2, 1), prefix="t"),
            "val": images((0, 0), (0, 0), (mirrored, 0), (3, 1), prefix="v"),
        }
    )
    assert findings(found) == (
        "2 of 4 val images are also in train: the measured accuracy is too high",
        "1 of 4 val images are near duplicates of train images: the measured accuracy may be too high",
    )
    assert images_also_in(found, "train", "val", exact=False) == 2
    assert images_also_in(found, "train", "val", exact=True) == 1


def test_copies_across_any_two_splits_are_a_finding():
    splits = {"train": images((0, 0), (1, 1)), "val": images((2, 0), (3, 1)), "test": images((3, 1), (4, 0), (0, 0))}
    assert findings(audit(splits)) == (
        "1 of 3 test images are also in train: the measured accuracy is too high",
        "1 of 3 test images are also in val: the measured accuracy is too high",
    )


def test_one_class_is_a_finding():
    one = ImageSet(("a",), [np.asarray(drawing(n)) for n in range(3)], ("x", "y", "z"), (0, 0, 0))
    assert findings(audit(one)) == ("only one class: 'a'",)


def test_doubts_are_counted(tiny_artifact):
    found = audit(colored_images(80, flipped=(5,)), model=tiny_artifact)
    sentences = findings(found)
    assert (
        f"{len(found.suspicious)} of 80 labels {'is' if len(found.suspicious) == 1 else 'are'} suspicious" in sentences
    )
    outliers = len(found.clear_outliers)
    assert outliers > 1
    assert f"{outliers} images look like no class" in sentences
