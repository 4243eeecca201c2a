"""Solving for the head of a network whose body is frozen."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression

from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, SpecError
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import FeatureFeed
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe, read_recipe
from edgekit.zoo.build import build


def head_recipe(weights, **changes):
    return Recipe.from_dict({"model": "lenet5", "weights": str(weights), "tune": "head", **changes})


def chosen(run):
    with (run / "penalties.csv").open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["chosen"] == "True"]
    return row


@pytest.fixture(scope="module")
def solved(tmp_path_factory, weights, training, validation):
    """A run on the labels whether the bar is vertical, with its notes and results."""
    run, notes, results = tmp_path_factory.mktemp("solved"), [], []
    images = [
        ImageSet(("no", "yes"), s.sources, s.names, tuple(int(label == 0) for label in s.labels))
        for s in (training, validation)
    ]
    recipe = head_recipe(weights, augment={"mirror": True})
    checkpoint = train(recipe, *images, run=run, workers=0, on_note=notes.append, on_epoch=results.append)
    return recipe, images, run, checkpoint, notes, results


def test_solved_head_is_the_optimum_of_scikit_learn_at_the_chosen_penalty(solved):
    recipe, (training, _), run, checkpoint, _, _ = solved
    network, row = checkpoint.network(), chosen(run)
    feed = FeatureFeed(network, training, training, recipe, workers=0, process=TrainingProcess())
    plain, mirrored = feed.copies
    both = torch.cat([plain, mirrored]).double()
    mean, deviation = both.mean(0), both.std(0, correction=0)
    varies = deviation > 0
    scale = deviation if row["standardized"] == "True" else deviation.square().sum().div(varies.sum()).sqrt()
    used = both if row["copies"] == "True" else plain.double()
    inputs = ((used - mean) / scale)[:, varies].numpy()
    labels = np.tile(training.truth(), len(used) // len(training))
    reference = LogisticRegression(C=2 / (float(row["penalty"]) * len(inputs)), tol=1e-10, max_iter=10_000)
    expected = reference.fit(inputs, labels).predict_proba(inputs)
    with torch.no_grad():
        probabilities = torch.softmax(network.head(used.float()), 1).numpy()
    assert np.abs(probabilities - expected).max() < 1e-3


def test_solved_run_reports_and_writes_one_epoch(solved):
    _, (_, validation), run, checkpoint, notes, results = solved
    assert [(r.epoch, r.epochs, r.learning_rate) for r in results] == [(1, 1, None)]
    assert results[0].val_accuracy > 0.9
    assert checkpoint.state["val_accuracy"] == results[0].val_accuracy
    (summary,) = [note for note in notes if note.startswith("cross-validation on 84 features of 90 images: penalty")]
    row = chosen(run)
    assert f"{float(row['accuracy']):.2%}" in summary
    assert ("with mirrored" if row["copies"] == "True" else "without mirrored") in summary
    names = {path.name for path in run.iterdir()}
    assert {"model.safetensors", "results.csv", "confusion.png", "penalties.csv", "penalties.png"} <= names
    assert "curves.png" not in names  # of a single point
    assert load_checkpoint(run / "model.safetensors").network().head.fc.out_features == len(validation.classes)


def test_recipe_of_a_solved_run_has_no_optimize_section_and_can_be_read(solved):
    recipe, _, run, checkpoint, _, _ = solved
    assert "[optimize]" not in (run / "recipe.toml").read_text()
    assert read_recipe(run / "recipe.toml") == recipe == checkpoint.recipe


def test_body_of_a_solved_network_is_unchanged(solved, weights):
    *_, checkpoint, _, _ = solved
    before = load_checkpoint(weights).tensors
    for name, tensor in checkpoint.tensors.items():
        assert name.startswith("head.") or torch.equal(tensor, before[name])


def test_resumed_solved_run_is_the_run_itself(solved, tmp_path):
    recipe, images, run, checkpoint, _, _ = solved
    before, notes = (run / "model.safetensors").read_bytes(), []
    again = train(recipe, *images, run=run, workers=0, resume=True, on_note=notes.append)
    assert "resuming after 1 of 1 epochs" in notes
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in checkpoint.tensors.items())
    assert (run / "model.safetensors").read_bytes() == before


def test_several_labels_are_solved_by_binary_regressions(tmp_path, weights, tags):
    recipe, notes = head_recipe(weights), []
    checkpoint = train(recipe, *tags, run=tmp_path, workers=0, on_note=notes.append)
    assert checkpoint.task == "multi-label"
    assert checkpoint.state["val_accuracy"] > 0.9
    assert any("exact match" in note for note in notes)


def test_classes_with_few_images_are_stated_and_learned(tmp_path, weights, training, validation):
    kept = [i for i, label in enumerate(training.labels) if label != 2][:40]
    rare = [i for i, label in enumerate(training.labels) if label == 2][:1]
    notes = []
    checkpoint = train(
        head_recipe(weights), training.subset(kept + rare), validation, run=tmp_path, workers=0, on_note=notes.append
    )
    assert any("1 class has fewer than 5 train images (slant)" in note for note in notes)
    assert checkpoint.state["val_accuracy"] > 0.6


def test_one_image_of_each_class_is_fitted_without_cross_validation(tmp_path, weights, training, validation):
    notes = []
    single = training.subset([0, 1, 2])
    train(head_recipe(weights), single, validation, run=tmp_path, workers=0, on_note=notes.append)
    assert any("no class has two train images" in note for note in notes)


def test_balance_raises_the_recall_of_a_small_class(tmp_path, weights, training, validation):
    def relabeled(images):
        rng = np.random.default_rng(0)
        noisy = tuple(int(label == 0 and rng.random() < 0.3) for label in images.labels)
        return ImageSet(("no", "yes"), images.sources, images.names, noisy)

    recalls = []
    for balance in ("none", "loss"):
        recipe = head_recipe(weights, balance=balance)
        images = relabeled(training), relabeled(validation)
        recalls.append(train(recipe, *images, run=tmp_path / balance, workers=0).state["macro_recall"])
    assert recalls[1] > recalls[0]


def test_a_head_that_is_not_linear_is_refused_before_any_pass(tmp_path, training, validation):
    save_file(build("nin_cifar10", classes=3).state_dict(), tmp_path / "nin.safetensors")
    recipe = Recipe.from_dict({"model": "nin_cifar10", "weights": str(tmp_path / "nin.safetensors"), "tune": "head"})
    with pytest.raises(SpecError, match="head of nin_cifar10 is more than a linear layer; set `solver` to sgd"):
        train(recipe, training, validation, run=tmp_path / "run", workers=0)


def test_features_that_are_not_finite_are_refused(tmp_path, weights, training, validation):
    tensors = {name: t.clone() for name, t in load_checkpoint(weights).tensors.items()}
    tensors["body.f6.0.weight"][3] = 3e38 * (-1.0) ** torch.arange(120)  # their sum overflows in both directions
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(EdgekitError, match="a feature of a train image is not finite"):
        train(head_recipe(tmp_path / "broken.safetensors"), training, validation, run=tmp_path / "run", workers=0)
