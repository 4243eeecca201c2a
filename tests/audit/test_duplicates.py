"""Groups of duplicates: equal pixels in any encoding, and their order."""

import numpy as np
from made_audits import drawing
from made_images import encoded
from PIL import ImageOps

from edgekit.audit.duplicates import find_duplicates
from edgekit.audit.survey import survey_images
from edgekit.dataset import ImageSet

CLASSES = ("a", "b")


def duplicates(**splits):
    """Groups of images that are given as (image, label)."""
    sets = {
        name: ImageSet(
            CLASSES,
            [i for i, _ in pairs],
            tuple(f"{name}{n}" for n in range(len(pairs))),
            tuple(label for _, label in pairs),
        )
        for name, pairs in splits.items()
    }
    return find_duplicates(survey_images(sets, None))


def test_exact_duplicates_are_equal_pixels_in_any_file():
    image = drawing(0)
    (group,) = duplicates(
        all=[
            (encoded(image, "PNG"), 0),
            (encoded(image, "BMP"), 0),
            (np.asarray(image), 0),
            (encoded(drawing(1), "PNG"), 0),
        ]
    )
    assert (group.images, group.is_exact, group.similarity) == ((0, 1, 2), True, 1.0)
    assert not any((group.spans_splits, group.spans_classes, group.is_mirrored, group.is_cropped))


def test_one_changed_pixel_makes_a_near_duplicate():
    pixels = np.asarray(drawing(0)).copy()
    pixels[0, 0] ^= 1
    (group,) = duplicates(all=[(np.asarray(drawing(0)), 0), (pixels, 0)])
    assert (group.images, group.is_exact) == ((0, 1), False)


def test_a_near_group_contains_exact_copies_of_its_members():
    image = np.asarray(drawing(0))
    groups = duplicates(all=[(image, 0), (image, 0), (np.asarray(ImageOps.mirror(drawing(0))), 0)])
    assert [(g.images, g.is_exact, g.is_mirrored) for g in groups] == [((0, 1), True, False), ((0, 1, 2), False, True)]


def test_groups_across_splits_come_first_then_those_across_classes():
    within, across_classes, across_splits = (np.asarray(drawing(n)) for n in range(3))
    groups = duplicates(
        train=[(within, 0), (within, 0), (across_classes, 0), (across_classes, 1), (across_splits, 0)],
        val=[(across_splits, 0)],
    )
    assert [(g.images, g.spans_splits, g.spans_classes) for g in groups] == [
        ((4, 5), True, False),
        ((2, 3), False, True),
        ((0, 1), False, False),
    ]


def test_blank_images_are_duplicates_only_if_they_are_equal():
    black, other = np.zeros((30, 40, 3), np.uint8), np.zeros((40, 30, 3), np.uint8)
    groups = duplicates(all=[(black, 0), (other, 0), (black.copy(), 0), (black + 1, 0)])
    assert [(group.images, group.is_exact) for group in groups] == [((0, 2), True)]
