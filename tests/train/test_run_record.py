"""Which epoch's weights a run ends with, and what it states about them."""

import csv
import dataclasses
import json
import signal

import numpy as np
import pytest

from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, WeightsError
from edgekit.train.checkpoint import load_checkpoint, save_checkpoint
from edgekit.train.loop import train
from edgekit.train.metrics import ConfusionEvaluator, Scores
from edgekit.train.recipe import Recipe

BEST_OF_TWO = "best epoch {} of 4 by {}, chosen on the val images: their figures are optimistic"


@pytest.fixture
def scored(monkeypatch):
    """A function that replaces the scores of the evaluations by some (val_loss, val_accuracy, macro_recall)."""

    def replace(*figures):
        scores = iter(figures)
        monkeypatch.setattr(ConfusionEvaluator, "scores", lambda self, collected: Scores(*next(scores), 0))

    return replace


def run(folder, recipe, training, validation, **options):
    return train(recipe, training, validation, run=folder, workers=0, **options)


FIGURES = ((0.9, 0.5, 0.4), (0.3, 0.6, 0.6), (0.5, 0.8, 0.5), (0.4, 0.7, 0.9))


@pytest.mark.parametrize(("monitor", "epoch"), [(None, 3), ("macro-recall", 4), ("loss", 2)])
def test_train_ends_with_the_weights_of_the_monitored_best_epoch(
    tmp_path, lenet_recipe, training, validation, scored, monitor, epoch
):
    scored(*FIGURES)
    notes, weights = [], []
    recipe = lenet_recipe(monitor=monitor, optimize={"epochs": 4})

    def remember(result):
        weights.append(load_checkpoint(tmp_path / "best.safetensors").tensors)

    finished = run(tmp_path, recipe, training, validation, on_note=notes.append, on_epoch=remember)
    assert finished.state["epoch"] == epoch
    assert finished.state["chosen_on_val"] == {"monitor": monitor or "top1", "epochs": 4}
    assert finished.epoch_choice == {"monitor": monitor or "top1", "epochs": 4, "epoch": epoch}
    assert [finished.state[name] for name in Scores._fields] == [*FIGURES[epoch - 1], 0]
    assert BEST_OF_TWO.format(epoch, monitor or "top1") in notes
    written = load_checkpoint(tmp_path / "model.safetensors")
    for name, tensor in weights[epoch - 1].items():
        assert written.tensors[name].equal(tensor)
        assert finished.tensors[name].equal(tensor)
    assert json.loads((tmp_path / "model.json").read_text())["state"] == finished.state


def test_train_keeps_the_last_epoch_if_the_recipe_says_so(tmp_path, lenet_recipe, training, validation, scored):
    scored(*FIGURES)
    notes = []
    recipe = lenet_recipe(keep="last", optimize={"epochs": 4})
    finished = run(tmp_path, recipe, training, validation, on_note=notes.append)
    assert finished.state["epoch"] == 4
    assert finished.epoch_choice is None
    assert not any(note.startswith("best epoch") for note in notes)


def test_train_states_no_choice_if_only_one_epoch_was_evaluated(tmp_path, lenet_recipe, training, validation):
    notes = []
    finished = run(tmp_path, lenet_recipe(), training, validation, evaluate_every=3, on_note=notes.append)
    assert (finished.state["epoch"], "chosen_on_val" in finished.state) == (3, False)
    assert not any(note.startswith("best epoch") for note in notes)


def test_train_stops_after_patience_epochs_without_a_better_monitored_figure(
    tmp_path, lenet_recipe, training, validation, scored
):
    scored((0.9, 0.5, 0.4), (0.3, 0.6, 0.6), (0.5, 0.8, 0.5), (0.4, 0.9, 0.9))
    recipe = lenet_recipe(monitor="loss", optimize={"epochs": 40, "patience": 2})
    results = []
    finished = run(tmp_path, recipe, training, validation, on_epoch=results.append)
    assert (len(results), finished.state["epoch"]) == (4, 2)


def test_patience_counts_from_the_best_epoch_though_the_solved_head_is_kept(tmp_path, weights, task, scored):
    """Until the fourth, epochs are better, by less than the standard error of the head's accuracy, which is 0.0844."""
    scored(*((0.5, accuracy, accuracy) for accuracy in (0.6, 0.62, 0.64, 0.66, 0.68, 0.67, 0.66)))
    optimize = {"epochs": 10, "patience": 2, "batch_size": 90}
    recipe = Recipe.from_dict({"model": "lenet5", "weights": str(weights), "tune": "full", "optimize": optimize})
    results, notes = [], []
    finished = run(tmp_path, recipe, *task, on_epoch=results.append, on_note=notes.append)
    assert (results[-1].epoch, finished.state["epoch"]) == (6, 0)
    assert any(note.startswith("no epoch was clearly better by top1 than the solved head") for note in notes)


@pytest.mark.parametrize(
    ("accuracy", "monitor", "noted"), [(0.96, "top1", True), (0.6, "top1", False), (0.96, "loss", False)]
)
def test_head_that_no_epoch_can_clearly_exceed_is_noted(tmp_path, weights, task, scored, accuracy, monitor, noted):
    scored(*[(0.5, accuracy, accuracy)] * 2)
    values = {"model": "lenet5", "weights": str(weights), "tune": "full", "optimize": {"epochs": 1, "batch_size": 90}}
    notes = []
    run(tmp_path, Recipe.from_dict(values | {"monitor": monitor}), *task, on_note=notes.append)
    assert any(note.startswith("the solved head is so good") for note in notes) == noted


def test_train_with_patience_evaluates_every_epoch(tmp_path, lenet_recipe, training, validation, scored):
    scored((0.5, 0.8, 0.5), (0.6, 0.7, 0.5), (0.7, 0.6, 0.5), (0.4, 0.9, 0.9))
    recipe = lenet_recipe(optimize={"epochs": 4, "patience": 1})
    epochs = []
    run(tmp_path, recipe, training, validation, evaluate_every=4, on_epoch=epochs.append)
    assert [result.val_accuracy for result in epochs] == [0.8, 0.7]


@pytest.mark.parametrize("balance", ["loss", "sampler"])
def test_train_with_balance_resumed_within_an_epoch_ends_in_the_same_bytes(
    tmp_path, lenet_recipe, training, validation, balance
):
    keep = [n for n, label in enumerate(training.labels) if label == 0 or n % 5 == 0]
    imbalanced = training.subset(keep)
    augment, optimize = {"rotate": 10.0, "cutmix": 1.0}, {"label_smoothing": 0.1, "batch_size": 8}
    recipe = lenet_recipe(balance=balance, monitor="macro-recall", augment=augment, optimize=optimize)
    run(tmp_path / "whole", recipe, imbalanced, validation)

    def interrupt(progress):
        if (progress.epoch, progress.step) == (2, 3):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", recipe, imbalanced, validation, on_step=interrupt)
    run(tmp_path / "cut", recipe, imbalanced, validation, resume=True)
    assert (tmp_path / "cut/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_train_resumes_a_run_of_an_older_version(tmp_path, lenet_recipe, training, validation):
    """Its checkpoint had the best score, and its rows had neither the loss on val nor what follows it."""

    class Killed(BaseException):
        pass

    def stop(result):
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, lenet_recipe(), training, validation, on_epoch=stop)
    saved = load_checkpoint(tmp_path / "last.safetensors")
    newer = ("val_loss", "macro_recall", "never_predicted", "learning_rate")
    row = {name: value for name, value in saved.state["history"][0].items() if name not in newer}
    state = saved.state | {"history": [row], "best": row["val_accuracy"], "best_epoch": 1}
    save_checkpoint(tmp_path / "last.safetensors", dataclasses.replace(saved, state=state))
    finished = run(tmp_path, lenet_recipe(), training, validation, resume=True)
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [row["val_loss"] == "" for row in rows] == [True, False, False]
    assert finished.state["epoch"] in (1, 2, 3)


def test_train_refuses_a_best_checkpoint_of_another_epoch(tmp_path, lenet_recipe, training, validation, scored):
    scored(*FIGURES, *FIGURES)
    recipe = lenet_recipe(optimize={"epochs": 4})
    run(tmp_path, recipe, training, validation)
    (tmp_path / "best.safetensors").write_bytes((tmp_path / "last.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=r"best\.safetensors: has the weights of epoch 4, not of 3"):
        run(tmp_path, recipe, training, validation, resume=True)


def test_train_stops_at_a_val_loss_that_is_not_finite(tmp_path, lenet_recipe, training, validation, scored):
    scored((float("nan"), 0.5, 0.5))
    with pytest.raises(EdgekitError, match=r"the val loss is nan after epoch 1; lower `learning_rate` \(0\.05\)"):
        run(tmp_path, lenet_recipe(), training, validation)
    assert not (tmp_path / "last.safetensors").exists()


def test_train_reports_the_learning_rate_of_the_last_step(tmp_path, lenet_recipe, training, validation):
    results = []
    recipe = lenet_recipe(optimize={"schedule": "step", "step_every": 1, "step_factor": 0.5, "warmup_epochs": 0})
    run(tmp_path, recipe, training, validation, on_epoch=results.append)
    assert [result.learning_rate for result in results] == pytest.approx([0.025, 0.0125, 0.00625])


def test_train_with_balance_recalls_a_class_that_is_never_predicted_without(tmp_path, image_set):
    """95 images of one class and 5 of another: the largest class alone has a top-1 of 95%."""

    def imbalanced(seed, counts):
        images = image_set(3 * counts[0], seed=seed)
        chosen = [n for label, count in enumerate(counts) for n in np.flatnonzero(images.truth() == label)[:count]]
        subset = images.subset(map(int, chosen))
        return ImageSet(("fine", "scratch"), subset.sources, subset.names, subset.labels)

    training, validation, recalls = imbalanced(1, (95, 5)), imbalanced(2, (95, 5)), {}
    for balance in ("none", "loss", "sampler"):
        optimize = {"epochs": 6, "batch_size": 20, "learning_rate": 0.05}
        recipe = Recipe.from_dict({"model": "lenet5", "balance": balance, "balance_beta": 1.0, "optimize": optimize})
        notes = []
        finished = run(tmp_path / balance, recipe, training, validation, on_note=notes.append)
        recalls[balance] = finished.state["macro_recall"]
        assert ("warning: on the val images, never predicted: 'scratch' (5 images)" in notes) == (balance == "none")
    assert recalls["none"] == 0.5
    assert min(recalls["loss"], recalls["sampler"]) > 0.9
