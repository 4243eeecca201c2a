"""Weights of classes of unequal size, compared with scikit-learn's and with the series of the paper."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from edgekit.dataset import ImageSet
from edgekit.errors import SpecError
from edgekit.train.balance import class_weights, imbalance_warning, loss_weights, sampling_weights
from edgekit.train.loop import train

COUNTS = np.array([500, 50, 3, 1])


def image_set(counts):
    labels = tuple(np.repeat(np.arange(len(counts)), counts).tolist())
    classes = tuple(f"class {n}" for n in range(len(counts)))
    return ImageSet(classes, [None] * len(labels), tuple(map(str, range(len(labels)))), labels)


def test_class_weights_with_beta_1_are_those_of_scikit_learn():
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert class_weights(COUNTS, beta=1) == pytest.approx(expected)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 1 - 1e-12])
def test_class_weights_are_reciprocals_of_the_effective_numbers(beta):
    """The effective number of n images is 1 + beta + ... + beta^(n - 1) (Cui et al. 2019, section 3.2)."""
    effective = np.array([sum(beta**power for power in range(count)) for count in COUNTS])
    weights = class_weights(COUNTS, beta=beta)
    assert weights / weights[0] == pytest.approx(effective[0] / effective)
    assert (weights * COUNTS).sum() == pytest.approx(COUNTS.sum())


def test_class_weights_of_classes_without_images_are_0():
    assert class_weights(np.array([0, 4, 4]), beta=0.999).tolist() == [0, 1, 1]


def test_sampling_weights_draw_all_classes_equally_often_with_beta_1(lenet_recipe):
    images = image_set(COUNTS)
    weights = sampling_weights(images, lenet_recipe(balance="sampler", balance_beta=1.0))
    assert np.bincount(images.labels, weights) == pytest.approx([COUNTS.sum() / 4] * 4)
    assert sampling_weights(images, lenet_recipe(balance="loss")) is None


def test_loss_weights_have_a_mean_of_1_over_the_classes_with_images(lenet_recipe):
    weights = loss_weights(image_set([500, 10, 0]), lenet_recipe(balance="loss", balance_beta=1.0))
    assert weights.tolist() == pytest.approx([2 / 51, 100 / 51, 0])
    assert loss_weights(image_set([500, 10]), lenet_recipe(balance="sampler")) is None


def test_imbalance_warning_names_the_largest_and_the_smallest_class_from_10_to_1_on(lenet_recipe):
    warning = imbalance_warning(image_set([50, 0, 5, 7]), lenet_recipe())
    assert warning.startswith("warning: 'class 0' has 50 train images, 'class 2' only 5; `balance` loss or sampler")
    assert imbalance_warning(image_set([49, 5]), lenet_recipe()) is None
    assert imbalance_warning(image_set([50, 5]), lenet_recipe(balance="loss")) is None


def test_train_refuses_to_balance_images_with_several_labels(tmp_path, lenet_recipe, training):
    tagged = ImageSet(training.classes, training.sources, training.names, (), tuple((n,) for n in training.labels))
    with pytest.raises(SpecError, match="`balance` 'sampler' needs images with one label each"):
        train(lenet_recipe(balance="sampler"), tagged, tagged, run=tmp_path)
    assert not list(tmp_path.iterdir())
