"""The warning about shards that are sorted by class."""

import numpy as np
import pytest

from edgekit.dataset import ImageSet
from edgekit.train.shard_mixing import class_skew, mixing_warning


def labeled(labels, classes):
    count = len(labels)
    return ImageSet(tuple(map(str, range(classes))), [b""] * count, ("",) * count, tuple(labels))


def test_class_skew_is_that_of_sorted_shards_and_none_of_random_ones():
    """Of ten classes in ten shards, two shards have a fifth of the classes: four fifths of the images do not fit."""
    labels, shards = np.repeat(np.arange(10), 400), np.repeat(np.arange(10), 400)
    assert class_skew(labeled(labels, 10), shards, together=2, seed=0) == pytest.approx(0.8, abs=0.05)
    assert class_skew(labeled(labels, 10), shards, together=10, seed=0) == 0
    mixed = np.random.default_rng(0).permutation(labels)
    assert class_skew(labeled(mixed, 10), shards, together=2, seed=0) < 0.02


def test_class_skew_of_few_images_of_many_classes_is_not_that_of_chance():
    labels, shards = np.random.default_rng(0).integers(0, 500, 400), np.repeat(np.arange(20), 20)
    assert class_skew(labeled(labels, 500), shards, together=2, seed=0) < 0.1


def test_class_skew_of_images_with_several_labels_counts_each_label():
    label_sets = tuple((i // 1000, 4) for i in range(4000))
    images = ImageSet(("a", "b", "c", "d", "e"), [b""] * 4000, ("",) * 4000, (), label_sets)
    skew = class_skew(images, np.repeat(np.arange(4), 1000), together=1, seed=0)
    assert skew == pytest.approx(0.375, abs=0.03)  # half of the labels is e; of the others, three quarters do not fit


def test_mixing_warning_names_a_window_that_is_large_enough(in_shards, training, lenet_recipe):
    order = np.argsort(training.labels, kind="stable")
    by_class = in_shards(training.subset(order), each=10)
    recipe = lenet_recipe(optimize={"shuffle_shards": 1})
    warning = mixing_warning(by_class, recipe, world=1)
    assert warning is not None
    assert warning.startswith("warning: the 9 shards are sorted by class, and `shuffle_shards` 1 mixes too few of them")
    enough = int(warning.partition("set `shuffle_shards` to ")[2].partition(",")[0])
    assert 2 <= enough <= 8
    assert mixing_warning(by_class, lenet_recipe(optimize={"shuffle_shards": enough}), world=1) is None
    assert mixing_warning(by_class, recipe, world=enough) is None
    assert mixing_warning(in_shards(training, each=10), recipe, world=1) is None
    assert mixing_warning(training, recipe, world=1) is None
