"""Batches: their order, their sizes, and their independence of the number of workers."""

import numpy as np

from edgekit.train.loader import epoch_order, training_batches


def test_training_batches_do_not_depend_on_the_number_of_workers(training, lenet_recipe):
    recipe = lenet_recipe(augment={"mixup": 0.4, "rotate": 10.0})
    serial = list(training_batches(training, recipe, epoch=1, workers=0))
    parallel = list(training_batches(training, recipe, epoch=1, workers=2))
    assert len(serial) == len(parallel) == 6
    for batch, other in zip(serial, parallel, strict=True):
        assert batch.inputs.equal(other.inputs)
        assert batch.labels.equal(other.labels)
        assert batch.share == other.share


def test_epoch_order_has_every_image_once_in_steps_of_nearly_equal_size(lenet_recipe):
    order = epoch_order(90, lenet_recipe(), 0)
    assert sorted(np.concatenate(order).tolist()) == list(range(90))
    assert {len(step) for step in order} == {15}
    assert {len(step) for step in epoch_order(91, lenet_recipe(), 0)} == {15, 16}
