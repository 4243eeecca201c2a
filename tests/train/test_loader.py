"""Batches: their order, their sizes, and their independence of the number of workers."""

import numpy as np
import torch

from edgekit.train.distributed import TrainingProcess
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


def test_epoch_order_with_weights_draws_each_image_as_often_as_its_weight_rounded_up_or_down(lenet_recipe):
    weights = np.repeat([0.5, 3.2, 1.0], [60, 10, 20])
    weights *= 90 / weights.sum()
    orders = [np.concatenate(epoch_order(90, lenet_recipe(), epoch, weights=weights)) for epoch in range(200)]
    counts = np.array([np.bincount(order, minlength=90) for order in orders])
    assert (counts.sum(1) == 90).all()
    assert (np.floor(weights) <= counts).all()
    assert (counts <= np.ceil(weights)).all()
    assert np.abs(counts.mean(0) - weights).max() < 0.15  # 4 standard errors of a share of 1/2 in 200 epochs
    assert not np.array_equal(orders[0], orders[1])
    again = epoch_order(90, lenet_recipe(), 1, weights=weights)
    assert np.array_equal(np.concatenate(again), orders[1])
    assert {len(step) for step in again} == {15}


def test_training_batches_augment_an_image_anew_each_time_it_is_drawn(training, lenet_recipe):
    recipe, images = lenet_recipe(augment={"rotate": 20.0}), training.subset(range(4))
    weights = np.array([4.0, 0.0, 0.0, 0.0])
    batches = list(training_batches(images, recipe, epoch=0, workers=0, weights=weights))
    pixels = torch.cat([batch.inputs for batch in batches])
    assert torch.cat([batch.labels for batch in batches]).tolist() == [images.labels[0]] * 4
    assert len({image.numpy().tobytes() for image in pixels}) == 4


def test_training_batches_of_two_processes_share_every_weighted_step(training, lenet_recipe):
    weights = np.where(np.arange(90) < 30, 2.0, 0.5)
    recipe = lenet_recipe()

    def labels(process):
        batches = training_batches(training, recipe, epoch=0, workers=0, process=process, weights=weights)
        return [batch.labels.tolist() for batch in batches]

    shares = [labels(TrainingProcess(rank=rank, world=2)) for rank in (0, 1)]
    for whole, first, second in zip(labels(TrainingProcess()), *shares, strict=True):
        assert whole[::2] == first
        assert whole[1::2] == second


def test_epoch_order_has_every_image_once_in_steps_of_nearly_equal_size(lenet_recipe):
    order = epoch_order(90, lenet_recipe(), 0)
    assert sorted(np.concatenate(order).tolist()) == list(range(90))
    assert {len(step) for step in order} == {15}
    assert {len(step) for step in epoch_order(91, lenet_recipe(), 0)} == {15, 16}
