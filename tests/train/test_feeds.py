"""Features that a frozen backbone computes once for all epochs."""

import torch

from edgekit.dataset import ImageSet
from edgekit.image.load import load_image
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import FeatureFeed
from edgekit.train.recipe import Recipe
from edgekit.train.setup import create_feed, initial_state


def test_feature_feed_computes_the_features_of_the_backbone_once(lenet_recipe, weights, task):
    training, validation = task
    recipe = lenet_recipe(weights=str(weights), tune="head")
    state = initial_state(recipe, training.classes, device="cpu")
    passes = []
    state.network.body.register_forward_hook(lambda *_: passes.append(1))
    feed = create_feed(state, training, validation, workers=0, process=TrainingProcess())
    assert isinstance(feed, FeatureFeed)
    initial_passes = len(passes)
    for epoch in range(5):
        assert sum(len(batch.labels) for batch in feed.training(epoch, 0)) == len(training)
    assert len(passes) == initial_passes
    batch = next(iter(feed.evaluation()))
    first = torch.from_numpy(recipe.preprocess.pixels(load_image(validation.sources[0], color="L")))
    mean, std = recipe.preprocess.mean[0], recipe.preprocess.std[0]
    normalized = (first.permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        assert torch.allclose(batch.inputs[0], state.network.eval().body(normalized)[0], atol=1e-4)


def test_feature_feed_moves_features_off_the_device_batch_by_batch(monkeypatch, lenet_recipe, weights, task):
    """The features of all images together may not fit its memory."""
    recipe = lenet_recipe(weights=str(weights), tune="head")
    state = initial_state(recipe, task[0].classes, device="cpu")
    moved, to_host = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: moved.append(len(tensor)) or to_host(tensor))
    create_feed(state, *task, workers=0, process=TrainingProcess())
    assert moved == [64, 26, 30]


def test_feature_feed_caches_different_augmented_copies(lenet_recipe, weights, task):
    recipe = lenet_recipe(weights=str(weights), tune="head", augment={"feature_copies": 2, "rotate": 20.0})
    state = initial_state(recipe, task[0].classes, device="cpu")
    feed = create_feed(state, *task, workers=0, process=TrainingProcess())
    assert len(feed.copies) == 2
    assert not torch.equal(feed.copies[0], feed.copies[1])


def test_feature_feed_of_a_solved_head_adds_mirrored_and_augmented_copies(weights, task):
    values = {"model": "lenet5", "weights": str(weights), "tune": "head"}
    recipe = Recipe.from_dict({**values, "augment": {"mirror": True, "feature_copies": 1, "rotate": 20.0}})
    state = initial_state(recipe, task[0].classes, device="cpu")
    plain, mirrored, augmented = create_feed(state, *task, workers=0, process=TrainingProcess()).copies
    flipped = ImageSet(task[0].classes, [pixels[:, ::-1] for pixels in task[0].sources], task[0].names, task[0].labels)
    reference = create_feed(state, flipped, task[1], workers=0, process=TrainingProcess()).copies[0]
    assert torch.equal(mirrored, reference)
    assert not torch.equal(plain, mirrored)
    assert not torch.equal(plain, augmented)


def test_feature_feed_reports_its_progress(lenet_recipe, weights, task):
    recipe = lenet_recipe(weights=str(weights), tune="head", augment={"feature_copies": 2})
    state = initial_state(recipe, task[0].classes, device="cpu")
    reports = []
    create_feed(state, *task, workers=0, process=TrainingProcess(), on_stage=lambda *report: reports.append(report))
    stages = list(dict.fromkeys(stage for stage, _, _ in reports))
    assert stages == [f"features of train images, copy {copy} of 2" for copy in (1, 2)] + ["features of val images"]
    assert [report for report in reports if report[1] == report[2]] == [
        *((stage, len(task[0]), len(task[0])) for stage in stages[:2]),
        (stages[2], len(task[1]), len(task[1])),
    ]
