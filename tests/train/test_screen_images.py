"""Screening of a data set for unreadable images."""

import pytest

from edgekit.errors import DataError
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.train.screen_images import screen_images


def test_screen_images_leaves_out_at_most_max_bad_unreadable_images(training):
    sources = list(training.sources)
    sources[3], sources[7] = b"not an image", b""
    broken = type(training)(training.classes, sources, training.names, training.labels)
    preprocess = Preprocess(color="L", mean=0.5, std=0.5)
    with pytest.raises(DataError, match=r"2 of 90 images cannot be read, but `max_bad` is 1: 3: .*; 7: "):
        screen_images(broken, preprocess, max_bad=1)
    screened = screen_images(broken, preprocess, max_bad=2)
    assert [image.name for image in screened.unreadable] == ["3", "7"]
    assert len(screened.images) == 88
    assert screened.images.classes == training.classes
    assert sum(screened.counts) == len(screened.fingerprints) == 88
    assert screened.mean_size == screened.smallest == screened.largest == Size(28, 28)


def test_screen_images_rejects_a_class_without_readable_images(training):
    labels = (0,) * 89 + (1,)
    sources = [*training.sources[:89], b"broken"]
    with pytest.raises(DataError, match="no image of class 'line' can be read"):
        screen_images(
            type(training)(training.classes, sources, training.names, labels),
            Preprocess(color="L", mean=0.5, std=0.5),
            max_bad=5,
        )
