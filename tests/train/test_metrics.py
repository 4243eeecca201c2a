"""Losses and scores of both tasks, compared with torch's and scikit-learn's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, balanced_accuracy_score, log_loss
from torch import nn

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.train.loader import Batch, targets, training_batches
from edgekit.train.loop import train
from edgekit.train.metrics import EVALUATORS, Collected, batch_loss, correct_images

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.2, 4.0]])
LABELS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


def batch(labels, partner=None, share=1.0):
    return Batch(torch.zeros(2, 1), labels, labels if partner is None else partner, share, 2)


def tagged(images: ImageSet) -> ImageSet:
    """The bars again: "straight" (vertical and horizontal) and "upright" (vertical), so that slants have no label."""
    sets = tuple(((0, 1), (0,), ())[label] for label in images.labels)
    return ImageSet(("straight", "upright"), images.sources, images.names, (), sets)


def test_batch_loss_of_multi_label_images_is_the_mean_binary_cross_entropy_over_the_classes():
    expected = F.binary_cross_entropy_with_logits(LOGITS, LABELS, reduction="none").mean(1).sum()
    assert batch_loss(LOGITS, batch(LABELS), smoothing=0).item() == pytest.approx(expected.item())
    smoothed = torch.tensor([[0.95, 0.05, 0.95], [0.05, 0.05, 0.95]])
    expected = F.binary_cross_entropy_with_logits(LOGITS, smoothed, reduction="none").mean(1).sum()
    assert batch_loss(LOGITS, batch(LABELS), smoothing=0.1).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("labels", [LABELS, torch.tensor([2, 0])], ids=["multi-label", "single-label"])
def test_batch_loss_of_mixed_images_is_that_of_the_mixed_targets(labels):
    mixed = batch(labels, labels.flip(0), 0.7)
    first, second = (batch_loss(LOGITS, batch(part), smoothing=0.1) for part in (labels, labels.flip(0)))
    assert batch_loss(LOGITS, mixed, smoothing=0.1).item() == pytest.approx((0.7 * first + 0.3 * second).item())
    if labels.dim() == 2:
        soft = 0.7 * labels + 0.3 * labels.flip(0)
        expected = F.binary_cross_entropy_with_logits(LOGITS, soft, reduction="none").mean(1).sum()
        assert batch_loss(LOGITS, mixed, smoothing=0).item() == pytest.approx(expected.item())


def test_batch_loss_weighs_images_by_their_labels_as_torch_does_without_smoothing():
    labels, weights = torch.tensor([2, 0]), torch.tensor([0.5, 1.0, 3.0])
    expected = F.cross_entropy(LOGITS, labels, weight=weights, reduction="sum").item()
    assert batch_loss(LOGITS, batch(labels), smoothing=0, weights=weights).item() == pytest.approx(expected)


def test_batch_loss_weighs_the_smoothed_loss_of_each_label_of_a_mixed_image():
    """The weight belongs to the label, not to the classes over which smoothing spreads the target."""
    labels, partners, weights = torch.tensor([2, 0]), torch.tensor([0, 0]), torch.tensor([0.5, 1.0, 3.0])
    target = 0.9 * F.one_hot(labels, 3) + 0.1 / 3
    partner_target = 0.9 * F.one_hot(partners, 3) + 0.1 / 3
    log_probabilities = LOGITS.log_softmax(1)
    own, partner = (-(t * log_probabilities).sum(1) for t in (target, partner_target))
    expected = (0.7 * weights[labels] * own + 0.3 * weights[partners] * partner).sum().item()
    mixed = batch(labels, partners, 0.7)
    assert batch_loss(LOGITS, mixed, smoothing=0.1, weights=weights).item() == pytest.approx(expected)


def test_scores_count_classes_that_are_never_predicted_and_ignore_those_without_images():
    evaluator = EVALUATORS["single-label"](classes=4, share=np.arange(100), images=100)
    counts = torch.tensor([[94, 0, 1, 0], [5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    scores = evaluator.scores(Collected(counts, torch.tensor(50.0, dtype=torch.float64)))
    assert scores == (0.5, 0.94, pytest.approx(94 / 95 / 2), 1)


def test_correct_images_have_exactly_their_labels():
    assert correct_images(LOGITS, torch.tensor([0, 1])) == 1
    assert correct_images(LOGITS, LABELS) == 1  # the second image is also given class 1


def test_targets_are_class_indexes_or_a_row_of_0_and_1(training):
    assert targets(training).tolist() == list(training.labels)
    rows = targets(tagged(training))
    assert (rows.dtype, rows[:3].tolist()) == (np.float32, [[1, 1], [1, 0], [0, 0]])


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_evaluators_of_several_processes_add_up(task):
    rng, network = np.random.default_rng(0), nn.Linear(4, 3)
    inputs = torch.tensor(rng.normal(size=(20, 4)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 3, 20) if task == "single-label" else rng.random((20, 3)) < 0.4)
    labels = labels if task == "single-label" else labels.float()
    parts = []
    for rank in range(3):
        share = np.arange(20)[rank::3]
        evaluator = EVALUATORS[task](classes=3, share=share, images=20)
        own = [Batch(inputs[rows], labels[rows], labels[rows], 1.0, len(rows)) for rows in np.array_split(share, 2)]
        parts.append(evaluator.collect(network, own))
    scores = evaluator.scores(Collected(*(sum(tensors) for tensors in zip(*parts, strict=True))))
    with torch.inference_mode():
        logits = network(inputs)
    if task == "single-label":
        assert scores.val_accuracy == int((logits.argmax(1) == labels).sum()) / 20
        assert scores.macro_recall == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))
        assert scores.val_loss == pytest.approx(log_loss(labels, logits.double().softmax(1)), rel=1e-6)
    else:
        assert (scores.macro_recall, scores.never_predicted) == (None, None)
        assert scores.val_loss == pytest.approx(F.binary_cross_entropy_with_logits(logits, labels).item())
        assert scores.val_accuracy == pytest.approx(
            average_precision_score(labels.numpy(), logits.numpy(), average="macro")
        )


@pytest.mark.slow
def test_train_learns_several_labels_per_image_and_resumes_alike(tmp_path, lenet_recipe, training, validation):
    recipe, notes, results = lenet_recipe(optimize={"epochs": 6}, augment={"cutmix": 0.5}), [], []
    options = {"workers": 0, "on_note": notes.append, "on_epoch": results.append}
    finished = train(recipe, tagged(training), tagged(validation), run=tmp_path / "a", **options)
    assert "several labels per image: training with binary cross-entropy, judged by mAP" in notes
    assert finished.task == "multi-label"
    assert results[-1].val_accuracy > 0.9
    assert finished.state["val_accuracy"] == max(result.val_accuracy for result in results)
    assert {path.name for path in (tmp_path / "a").iterdir()} & {"classes.csv", "confusion.csv"} == {"classes.csv"}

    def stop(result):
        if result.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tagged(training), tagged(validation), run=tmp_path / "b", workers=0, on_epoch=stop)
    train(recipe, tagged(training), tagged(validation), run=tmp_path / "b", workers=0, resume=True)
    assert (tmp_path / "b/model.safetensors").read_bytes() == (tmp_path / "a/model.safetensors").read_bytes()


def test_train_caches_features_of_images_with_several_labels(tmp_path, lenet_recipe, training, validation, weights):
    recipe = lenet_recipe(weights=str(weights), tune="head", optimize={"epochs": 5, "batch_size": 30})
    finished = train(recipe, tagged(training), tagged(validation), run=tmp_path, workers=0)
    assert finished.state["val_accuracy"] > 0.8


def test_train_refuses_sets_of_different_tasks_and_without_labels(tmp_path, lenet_recipe, training, validation):
    labels = tuple(label % 2 for label in validation.labels)
    single = ImageSet(("straight", "upright"), validation.sources, validation.names, labels)
    with pytest.raises(DataError, match="the same task: train is multi-label, val is single-label"):
        train(lenet_recipe(), tagged(training), single, run=tmp_path)
    slants = tagged(validation).subset(n for n, label in enumerate(validation.labels) if label == 2)
    with pytest.raises(DataError, match="none of the 10 val images has a label"):
        train(lenet_recipe(), tagged(training), slants, run=tmp_path)


def test_training_batches_of_several_labels_do_not_depend_on_the_number_of_workers(training, lenet_recipe):
    recipe, images = lenet_recipe(augment={"mixup": 0.4}), tagged(training)
    for serial, parallel in zip(
        training_batches(images, recipe, epoch=1, workers=0),
        training_batches(images, recipe, epoch=1, workers=2),
        strict=True,
    ):
        assert serial.labels.equal(parallel.labels)
        assert serial.partner_labels.equal(parallel.partner_labels)
        assert serial.labels.shape == (15, 2)
