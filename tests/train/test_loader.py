"""Batches: their order, their sizes, and their independence of the number of workers."""

import multiprocessing
import os
import sys

import numpy as np
import pytest
import torch

from edgekit.train.distributed import TrainingProcess
from edgekit.train.loader import _report_in_worker, _start_worker, training_batches


def test_training_batches_do_not_depend_on_the_number_of_workers(training, lenet_recipe):
    recipe = lenet_recipe(augment={"mixup": 0.4, "rotate": 10.0})
    serial = list(training_batches(training, recipe, epoch=1, workers=0))
    parallel = list(training_batches(training, recipe, epoch=1, workers=2))
    assert len(serial) == len(parallel) == 6
    for batch, other in zip(serial, parallel, strict=True):
        assert batch.inputs.equal(other.inputs)
        assert batch.labels.equal(other.labels)
        assert batch.share == other.share


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


def test_training_batches_of_two_processes_divide_images_in_shards(training, in_shards, lenet_recipe):
    images, recipe = in_shards(training, each=10, kind="parquet"), lenet_recipe(optimize={"shuffle_shards": 2})
    shares = [
        list(training_batches(images, recipe, epoch=0, workers=0, process=TrainingProcess(rank=rank, world=2)))
        for rank in (0, 1)
    ]
    assert [(len(a.inputs), len(b.inputs), a.step_size) for a, b in zip(*shares, strict=True)] == [(8, 7, 15)] * 6
    pixels = torch.cat([batch.inputs for share in shares for batch in share])
    assert len({image.numpy().tobytes() for image in pixels}) == 90


def test_worker_whose_parent_is_gone_ends():
    worker = multiprocessing.get_context("spawn").Process(target=_start_worker, args=(-1, 0))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 1


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(), BrokenPipeError()])
def test_worker_says_nothing_when_its_parent_hangs_up(error, capsys):
    _report_in_worker(type(error), error, None)
    assert capsys.readouterr().err == ""


def test_worker_reports_any_other_exception(capsys):
    _report_in_worker(ValueError, ValueError("something else"), None)
    assert capsys.readouterr().err == "ValueError: something else\n"


def test_worker_reports_with_that_function(monkeypatch):
    monkeypatch.setattr("edgekit.train.loader.keep_freed_memory", lambda: None)
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    _start_worker(os.getppid(), 0)
    assert sys.excepthook is _report_in_worker
