"""Knowledge distillation: what a teacher predicts is learned, once computed, in the order of the student's classes."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, SpecError
from edgekit.export.networks import network_from_checkpoint
from edgekit.export.pipeline import convert
from edgekit.train import teacher as module
from edgekit.train.distributed import TrainingProcess
from edgekit.train.loader import Batch, training_batches
from edgekit.train.loop import train
from edgekit.train.metrics import batch_loss
from edgekit.train.recipe import Recipe
from edgekit.train.teacher import SoftTargets, read_teacher
from edgekit.train.teacher_settings import Distill


@pytest.fixture(scope="module")
def teacher(weights, tmp_path_factory):
    """The LeNet-5 of the bars as a model file."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    convert(*network_from_checkpoint(weights.parent, license="MIT"), path)
    return path


@pytest.fixture(scope="module")
def other_teacher(weights, tmp_path_factory):
    """The same network with its classes in another order, so that it predicts others."""
    path = tmp_path_factory.mktemp("other") / "other.onnx"
    network, info = network_from_checkpoint(weights.parent, license="MIT")
    convert(network, dataclasses.replace(info, labels=info.labels[1:] + info.labels[:1]), path)
    return path


def _read(path, images, cache, **settings):
    paths = path if isinstance(path, tuple) else (path,)
    distill = Distill(teacher=tuple(map(str, paths)), **settings)
    return read_teacher(distill, images, cache=cache, process=TrainingProcess(), device="cpu")


def _all_targets(teacher, count):
    indexes = torch.arange(count)
    return teacher.targets(indexes, indexes, 1.0).probabilities


def _relabeled(images, classes, labels):
    return ImageSet(classes, images.sources, images.names, tuple(labels))


def test_loss_is_the_mean_of_both_by_the_share_with_the_squared_temperature():
    torch.manual_seed(0)
    logits, others, labels = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    soft = SoftTargets(F.softmax(others / 2, 1), share=0.3, temperature=2.0)
    plain = Batch(torch.zeros(4, 1), labels, labels, 1.0, 4)
    divergence = F.kl_div(F.log_softmax(logits / 2, 1), soft.probabilities, reduction="sum")
    expected = 0.7 * F.cross_entropy(logits, labels, reduction="sum") + 0.3 * 4 * divergence
    assert torch.allclose(batch_loss(logits, plain._replace(soft_targets=soft), smoothing=0), expected)
    same = SoftTargets(F.softmax(logits / 2, 1), share=1.0, temperature=2.0)
    assert batch_loss(logits, plain._replace(soft_targets=same), smoothing=0).item() == pytest.approx(0, abs=1e-5)


def test_targets_of_mixed_images_are_mixed(teacher, training, lenet_recipe, tmp_path):
    recipe = lenet_recipe(augment={"mixup": 1.0})
    read = _read(teacher, training, tmp_path / "teacher.npz")
    certain = _all_targets(_read(teacher, training, tmp_path / "teacher.npz", teacher_temperature=0.01), 90)
    assert (certain.argmax(1) == torch.tensor(training.labels)).float().mean() > 0.9
    for batch in training_batches(training, recipe, epoch=0, workers=0, teacher=read):
        probabilities = batch.soft_targets.probabilities
        assert 0 < batch.share < 1
        assert torch.allclose(probabilities.sum(1), torch.ones(len(probabilities)))
        if batch.share > 0.9:
            assert (probabilities.argmax(1) == batch.labels).float().mean() > 0.8


def test_student_of_wrong_labels_learns_from_its_teacher(teacher, training, validation, lenet_recipe, tmp_path):
    wrong = _relabeled(training, training.classes, [0] * len(training))
    recipe = lenet_recipe(optimize={"epochs": 12}, distill={"teacher": str(teacher), "teacher_share": 1.0})
    assert train(recipe, wrong, validation, run=tmp_path, workers=0).state["val_accuracy"] > 0.8


def test_several_teachers_predict_as_their_mean_and_each_by_the_crop_plan(teacher, other_teacher, training, tmp_path):
    plans = {"teacher_plan": "flip", "teacher_temperature": 1.0}
    both = _all_targets(_read((teacher, other_teacher), training, tmp_path / "both", **plans), 90)
    each = [_all_targets(_read(path, training, tmp_path / path.stem, **plans), 90) for path in (teacher, other_teacher)]
    assert torch.allclose(both, (each[0] + each[1]) / 2, atol=1e-5)
    assert not torch.allclose(*each, atol=0.01)
    straight = _all_targets(_read(teacher, training, tmp_path / "straight", teacher_temperature=1.0), 90)
    mirrored = dataclasses.replace(training, sources=[pixels[:, ::-1] for pixels in training.sources])
    turned = _all_targets(_read(teacher, mirrored, tmp_path / "turned", teacher_temperature=1.0), 90)
    assert torch.allclose(each[0], (straight + turned) / 2, atol=1e-5)


def test_classes_in_another_order_are_those_of_the_student(teacher, training, tmp_path):
    straight = _all_targets(_read(teacher, training, tmp_path / "a"), 90)
    order = [2, 0, 1]
    classes = tuple(training.classes[index] for index in order)
    turned = _relabeled(training, classes, [order.index(label) for label in training.labels])
    assert torch.allclose(_all_targets(_read(teacher, turned, tmp_path / "b"), 90), straight[:, order])


def test_resumed_run_ends_in_the_same_weights_without_asking_the_teacher_again(
    teacher, training, validation, lenet_recipe, tmp_path, monkeypatch
):
    recipe = lenet_recipe(distill={"teacher": str(teacher)})
    whole = train(recipe, training, validation, run=tmp_path / "whole", workers=0)

    def stop(progress):
        if (progress.epoch, progress.step) == (2, 3):
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        train(recipe, training, validation, run=tmp_path / "run", workers=0, on_step=stop)
    monkeypatch.setattr(module, "Classifier", None)
    again = train(recipe, training, validation, run=tmp_path / "run", workers=0, resume=True)
    assert all(torch.equal(again.tensors[name], values) for name, values in whole.tensors.items())


def test_shards_are_predicted_like_files(teacher, training, in_shards, tmp_path):
    shards = in_shards(training, each=20)
    first, second = (_all_targets(_read(teacher, images, tmp_path / "a"), 90) for images in (training,) * 2)
    assert torch.equal(first, second)
    assert torch.equal(_all_targets(_read(teacher, shards, tmp_path / "b"), 90), first)


def test_head_that_is_trained_by_the_optimizer_learns_from_a_teacher(teacher, training, validation, weights, tmp_path):
    values = {"model": "lenet5", "weights": str(weights), "tune": "head", "optimize": {"epochs": 3}}
    recipe = Recipe.from_dict({**values, "distill": {"teacher": str(teacher), "teacher_share": 1.0}})
    wrong = _relabeled(training, training.classes, [0] * len(training))
    assert train(recipe, wrong, validation, run=tmp_path, workers=0).state["val_accuracy"] > 0.8


def test_images_that_a_teacher_cannot_help_with_are_one_line(teacher, training, tmp_path):
    cache = tmp_path / "teacher.npz"
    with pytest.raises(DataError, match="needs images with one label each; these have several"):
        _read(teacher, ImageSet(training.classes, training.sources, training.names, (), ((0, 1),) * 90), cache)
    for classes, problem in (
        (("bar", "line", "ring"), "does not have the 'ring' of the images"),
        (("bar", "line"), "also has 'slant', which the images do not have"),
    ):
        with pytest.raises(DataError, match=f"must have the classes of the images; it {problem}"):
            _read(teacher, _relabeled(training, classes, [0] * len(training)), cache)
    with pytest.raises(DataError, match=r"missing\.onnx"):
        _read(tmp_path / "missing.onnx", training, cache)
    assert not cache.exists()


def test_teacher_of_several_labels_is_one_line(weights, training, tmp_path):
    path = tmp_path / "several.onnx"
    network, info = network_from_checkpoint(weights.parent, license="MIT")
    convert(network, dataclasses.replace(info, task="multi-label", thresholds=(0.5,) * 3), path)
    with pytest.raises(DataError, match=r"several\.onnx: a teacher must have one label for each image; it has several"):
        _read(path, training, tmp_path / "teacher.npz")


def test_cache_of_something_else_is_one_line(teacher, training, tmp_path):
    cache = tmp_path / "teacher.npz"
    _read(teacher, training, cache)
    with pytest.raises(DataError, match="predictions of another teacher, or for other images"):
        _read(teacher, training.subset(range(30)), cache)
    for content in (b"", b"PK\x03\x04", cache.read_bytes()[:300]):
        cache.write_bytes(content)
        with pytest.raises(DataError, match="is damaged; delete it"):
            _read(teacher, training, cache)


def test_recipe_refuses_what_has_no_effect(teacher):
    values = {
        "model": "lenet5",
        "distill": {"teacher_share": 0.5, "teacher_temperature": 2.0},
    }  # the share is the default
    with pytest.raises(SpecError, match="a `teacher` is missing for `teacher_temperature`; name one"):
        Recipe.from_dict(values)
    head = {"model": "lenet5", "weights": "w.safetensors", "tune": "head", "distill": {"teacher": "t.onnx"}}
    with pytest.raises(SpecError, match="has no epochs and does not use `teacher`"):
        Recipe.from_dict(head)
    for name, value in (("teacher_share", 0.0), ("teacher_share", 1.1), ("teacher_temperature", 0.0)):
        with pytest.raises(SpecError, match=f"`{name}` must be"):
            Recipe.from_dict({"model": "lenet5", "distill": {"teacher": "t.onnx", name: value}})
    with pytest.raises(SpecError, match="unknown crop plan 'turn'"):
        Distill(teacher="t.onnx", teacher_plan="turn")
    assert "distill" not in Recipe.from_dict({"model": "lenet5"}).to_dict()
