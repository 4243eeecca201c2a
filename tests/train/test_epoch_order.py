"""The order of an epoch: every image once, steps of equal size, and for shards few of them at a time."""

import numpy as np
import pytest

from edgekit import dataset
from edgekit.train.epoch_order import epoch_order, shard_numbers

SHARDS = np.repeat(np.arange(12), [7, 1, 20, 9, 10, 12, 3, 8, 10, 5, 11, 4])  # 100 images


def test_epoch_order_has_every_image_once_in_steps_of_nearly_equal_size(lenet_recipe):
    order = epoch_order(90, lenet_recipe(), 0)
    assert sorted(np.concatenate(order).tolist()) == list(range(90))
    assert {len(step) for step in order} == {15}
    assert {len(step) for step in epoch_order(91, lenet_recipe(), 0)} == {15, 16}


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


def test_epoch_order_of_few_shards_is_that_of_a_folder(lenet_recipe):
    recipe = lenet_recipe(optimize={"shuffle_shards": 12})
    folder, shards = epoch_order(100, recipe, 3), epoch_order(100, recipe, 3, shards=SHARDS)
    assert all(map(np.array_equal, folder, shards))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_epoch_order_of_shards_has_every_image_once_and_each_process_reads_few_shards_at_a_time(lenet_recipe, world):
    recipe = lenet_recipe(optimize={"shuffle_shards": 2, "batch_size": 9})
    steps = epoch_order(100, recipe, 0, shards=SHARDS, world=world)
    assert sorted(np.concatenate(steps).tolist()) == list(range(100))
    assert {len(step) for step in steps} == {8, 9}
    owners = np.zeros(12, np.int64)
    for rank in range(world):
        run = SHARDS[np.concatenate([step[rank::world] for step in steps])]
        opened = run[np.sort(np.unique(run, return_index=True)[1])]
        owners[opened] += 1
        # Between the first and the last image of a shard come images of one other shard only: that of its window.
        for shard in opened:
            first, *_, last = np.flatnonzero(run == shard)[[0, -1]]
            assert len(np.unique(run[first : last + 1])) <= 2
    assert owners.sum() <= 12 + world - 1  # two successive processes share the shard where one share ends


def test_epoch_order_of_shards_shuffles_shards_and_images_anew_in_each_epoch(lenet_recipe):
    recipe = lenet_recipe(optimize={"shuffle_shards": 3})
    orders = [np.concatenate(epoch_order(100, recipe, epoch, shards=SHARDS)) for epoch in (0, 1)]
    assert np.array_equal(orders[0], np.concatenate(epoch_order(100, recipe, 0, shards=SHARDS)))
    assert len(set(map(tuple, orders))) == 2
    first_shards = [set(SHARDS[order[:6]]) for order in orders]
    assert first_shards[0] != first_shards[1]
    mixed = np.abs(np.diff(SHARDS[orders[0]])) > 0
    assert mixed.mean() > 0.4  # of three shards shuffled together, two thirds of the neighbors differ


def test_epoch_order_of_shards_places_images_evenly_within_a_window(lenet_recipe):
    """The mean place of an image is the same for all: a window of all shards but one must not favor anyone."""
    recipe = lenet_recipe(optimize={"shuffle_shards": 4})
    shards = np.repeat(np.arange(8), 5)
    orders = [np.concatenate(epoch_order(40, recipe, epoch, shards=shards)) for epoch in range(400)]
    places = np.argsort(orders, axis=1).mean(0)
    assert np.abs(places - 19.5).max() < 4 * 11.5 / 20  # 4 standard errors of a uniform place in 400 epochs


def test_epoch_order_of_weighted_shards_stays_within_windows(lenet_recipe):
    recipe = lenet_recipe(optimize={"shuffle_shards": 2})
    weights = np.repeat([0.5, 1.5], 50)
    orders = [np.concatenate(epoch_order(100, recipe, epoch, shards=SHARDS, weights=weights)) for epoch in range(200)]
    counts = np.array([np.bincount(order, minlength=100) for order in orders])
    assert (counts.sum(1) == 100).all()
    assert np.abs(counts.mean(0) - weights).max() < 0.15
    for order in orders[:5]:
        run = SHARDS[order]
        for shard in np.unique(run):
            first, last = np.flatnonzero(run == shard)[[0, -1]]
            assert len(np.unique(run[first : last + 1])) <= 2


def test_shard_numbers_count_tar_files_and_row_groups(in_shards, training):
    assert shard_numbers(training) is None
    assert shard_numbers(in_shards(training, each=40)).tolist() == np.repeat([0, 1, 2], [40, 40, 10]).tolist()
    row_groups = shard_numbers(in_shards(training, each=40, kind="parquet").subset(range(30, 90)))
    assert row_groups.tolist() == np.repeat([0, 1, 2, 3, 4], [10, 20, 20, 5, 5]).tolist()  # the first of 30 to 39


def test_shard_numbers_ascend_in_both_halves_of_a_drawn_split(in_shards, training):
    """An evaluation reads the images in this order: one shard after the other."""
    folder = in_shards(training, each=10).sources[0].shard.path.rpartition("/")[0]
    for half in dataset.read_both(f"{folder}/train-*.tar", val_fraction=0.3, seed=1):
        numbers = shard_numbers(half)
        assert (np.diff(numbers) >= 0).all()
        assert len(set(numbers.tolist())) > 5
