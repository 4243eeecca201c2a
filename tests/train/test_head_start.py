"""Fine-tuning from the solved head: epoch 0 of a run."""

import csv

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import SpecError
from edgekit.plots.training import write_training_plots
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import head_features
from edgekit.train.loader import Batch, targets
from edgekit.train.loop import train
from edgekit.train.metrics import batch_loss
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build

# So small that no epoch differs from the start.
STANDSTILL = {"learning_rate": 1e-12, "ema_decay": 0.0}
HEAD = ("head.fc.weight", "head.fc.bias")


def fine_tuning(weights, *, tune="full", optimize=None, **changes):
    optimize = {"epochs": 2, "batch_size": 16, "warmup_epochs": 0.5} | (optimize or {})
    values = {"model": "lenet5", "weights": str(weights), "tune": tune, "optimize": optimize}
    return Recipe.from_dict(values | changes)


def rows(run):
    with (run / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def train_on(task, recipe, run, **options):
    return train(recipe, *task, run=run, workers=0, **options)


@pytest.mark.parametrize("tune", ["partial", "full"])
def test_fine_tuning_starts_from_the_head_that_tune_head_finds(tmp_path, weights, task, tune):
    recipe = Recipe.from_dict({"model": "lenet5", "weights": str(weights), "tune": "head"})
    head = train_on(task, recipe, tmp_path / "head")
    results = []
    changes = {"optimize": STANDSTILL | {"label_smoothing": 0.0}} | ({"unfreeze": 1} if tune == "partial" else {})
    started = train_on(task, fine_tuning(weights, tune=tune, **changes), tmp_path / "fine", on_epoch=results.append)
    assert [(result.epoch, result.learning_rate is None) for result in results] == [(0, True), (1, False), (2, False)]
    assert results[0].val_accuracy == head.state["val_accuracy"]
    assert results[0].val_loss == pytest.approx(head.state["val_loss"], rel=1e-4)
    for name in HEAD:
        assert started.tensors[name].allclose(head.tensors[name], rtol=1e-4, atol=1e-5)
    assert [row["epoch"] for row in rows(tmp_path / "fine")] == ["0", "1", "2"]


@pytest.mark.parametrize(("kind", "ema_decay"), [("one label", 0.0), ("one label", 0.9), ("several labels", 0.0)])
def test_solved_head_is_scaled_down_to_the_lowest_smoothed_loss(request, tmp_path, weights, kind, ema_decay):
    images = request.getfixturevalue("task" if kind == "one label" else "tags")
    head = train_on(images, Recipe.from_dict({"model": "lenet5", "weights": str(weights), "tune": "head"}), tmp_path)
    recipe, results = fine_tuning(weights, optimize=STANDSTILL | {"label_smoothing": 0.2, "ema_decay": ema_decay}), []
    started = train_on(images, recipe, tmp_path / "fine", on_epoch=results.append)
    features = head_features(head.network(), images[0], recipe, workers=0, process=TrainingProcess())[0]
    logits = torch.nn.functional.linear(features, *(head.tensors[name] for name in HEAD))
    labels = torch.from_numpy(targets(images[0]))
    batch = Batch(features, labels, labels, 1.0, len(labels))
    scales = torch.linspace(0.0, 1.0, 1001)
    losses = torch.stack([batch_loss(scale * logits, batch, smoothing=0.2) for scale in scales]) / len(labels)
    scale = float(scales[losses.argmin()])
    assert scale < 0.9
    for name in HEAD:
        assert started.tensors[name].allclose(scale * head.tensors[name], atol=0.01)
    assert results[0].loss == pytest.approx(float(losses.min()), rel=1e-3)
    assert results[0].val_accuracy == head.state["val_accuracy"]


def test_solved_head_is_kept_if_no_epoch_is_better(tmp_path, weights, task):
    notes = []
    harmful = {"learning_rate": 5.0, "ema_decay": 0.0, "backbone_rate": 1.0, "clip_norm": 1.0}
    kept = train_on(task, fine_tuning(weights, optimize=harmful), tmp_path, on_note=notes.append)
    (start, *epochs) = rows(tmp_path)
    assert all(float(row["val_accuracy"]) < float(start["val_accuracy"]) for row in epochs)
    assert kept.state["epoch"] == 0
    assert kept.epoch_choice == {"monitor": "top1", "epochs": 2, "epoch": 0}
    assert kept.state["val_accuracy"] == float(start["val_accuracy"])
    pretrained = load_checkpoint(weights).tensors
    assert all(kept.tensors[name].equal(pretrained[name]) for name in pretrained if name.startswith("body."))
    (note,) = [note for note in notes if note.startswith("no epoch was clearly better by top1 than the solved head")]
    assert note.endswith("chosen on the val images: their figures are optimistic")


def test_last_epoch_is_kept_if_the_recipe_says_so(tmp_path, weights, task):
    finished = train_on(task, fine_tuning(weights, keep="last", optimize=STANDSTILL), tmp_path)
    assert finished.state["epoch"] == 2
    assert finished.epoch_choice is None


def test_run_killed_after_the_start_resumes_to_the_same_weights(tmp_path, weights, task):
    recipe, options = fine_tuning(weights), {"on_stage": lambda *_: None}
    whole = train_on(task, recipe, tmp_path / "whole", **options)

    def stop(result):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train_on(task, recipe, tmp_path / "stopped", on_epoch=stop)
    resumed, epochs = [], []
    finished = train_on(task, recipe, tmp_path / "stopped", resume=True, on_note=resumed.append, on_epoch=epochs.append)
    assert [result.epoch for result in epochs] == [1, 2]
    assert not any(note.startswith("cross-validation") for note in resumed)
    for name, tensor in whole.tensors.items():
        assert finished.tensors[name].equal(tensor)


def test_head_with_the_same_classes_is_trained_on_as_it_is(tmp_path, weights, training, validation):
    results = []
    train_on((training, validation), fine_tuning(weights), tmp_path, on_epoch=results.append)
    assert [result.epoch for result in results] == [1, 2]


def test_random_head_is_trained_without_a_head_start(tmp_path, weights, task):
    results = []
    train_on(task, fine_tuning(weights, optimize={"head_start": False}), tmp_path, on_epoch=results.append)
    assert [result.epoch for result in results] == [1, 2]


def test_head_of_several_layers_starts_at_random_and_that_is_said(tmp_path, task):
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    save_file(build("nin_cifar10", classes=3, in_channels=1).state_dict(), weights)
    preprocess = {"crop": 16, "resize": 16, "color": "L", "mean": 0.5, "std": 0.5}
    recipe = fine_tuning(weights, model="nin_cifar10", preprocess=preprocess, optimize={"epochs": 1, "batch_size": 90})
    notes, results = [], []
    train_on(task, recipe, tmp_path / "run", on_note=notes.append, on_epoch=results.append)
    assert "the head of nin_cifar10 is more than a linear layer, so it starts from random weights" in notes
    assert [result.epoch for result in results] == [1]


@pytest.mark.parametrize("tune", ["scratch", "head"])
def test_head_start_needs_fine_tuning(weights, tune):
    values = {"model": "lenet5", "tune": tune, "optimize": {"head_start": True}}
    with pytest.raises(SpecError, match=r"`head_start` needs `tune` partial or full \(got '"):
        Recipe.from_dict(values | ({"weights": str(weights)} if tune == "head" else {}))


def test_curves_begin_with_the_solved_head(tmp_path, weights, task):
    train_on(task, fine_tuning(weights), tmp_path)
    history = load_checkpoint(tmp_path / "last.safetensors").state["history"]
    confusion = torch.zeros((2, 2), dtype=torch.int64)
    note = write_training_plots(tmp_path, history, confusion, classes=("no", "yes"), kept_epoch=0)
    assert note == f"wrote {tmp_path / 'curves.png'} and {tmp_path / 'confusion.png'}"
