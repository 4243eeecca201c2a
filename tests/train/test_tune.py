import pytest
import torch

from edgekit.dataset import PictureSet
from edgekit.errors import SpecError
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.distributed import Place
from edgekit.train.feeds import FeatureFeed
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe
from edgekit.train.setup import feed_of, start
from edgekit.train.tune import has_folded_norms, parameter_groups, tuning_of
from edgekit.zoo.build import build


@pytest.fixture(scope="module")
def weights(tmp_path_factory, lenet_recipe, training, validation):
    """A LeNet-5 that knows the bars."""
    folder = tmp_path_factory.mktemp("parent")
    train(lenet_recipe(optimize={"epochs": 12}), training, validation, run=folder, workers=0)
    return folder / "model.safetensors"


def test_the_shared_weights_are_folded(shared, training):
    recipe = Recipe.from_dict(
        {"model": "mobilenet_v2", "weights": str(shared / "weights/mobilenet_v2_imagenet.safetensors"), "tune": "full"}
    )
    assert start(recipe, training.classes, device="cpu").tuning.folded


@pytest.fixture
def task(training, validation):
    """A new one: is the bar upright?"""

    def renamed(pictures):
        labels = tuple(int(label == 0) for label in pictures.labels)
        return PictureSet(("no", "yes"), pictures.sources, pictures.names, labels)

    return renamed(training), renamed(validation)


def changed_stages(before, after):
    """The stages whose tensors differ between two state dicts."""
    return {
        ".".join(name.split(".")[:2]).removesuffix(".fc")
        for name in before
        if before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
    }


@pytest.mark.parametrize(
    ("choices", "learned"),
    [
        ({"tune": "head"}, {"head"}),
        ({"tune": "partial", "unfreeze": 1}, {"head", "body.f6"}),
        ({"tune": "partial", "unfreeze": ["c5", "f6"]}, {"head", "body.c5", "body.f6"}),
        ({"tune": "full"}, {"head", "body.c1", "body.c3", "body.c5", "body.f6"}),
    ],
)
def test_only_what_is_named_learns_and_it_learns(tmp_path, lenet_recipe, weights, task, choices, learned):
    recipe = lenet_recipe(weights=str(weights), **choices, optimize={"epochs": 8})
    results = []
    train(recipe, *task, run=tmp_path, workers=0, on_epoch=results.append)
    assert results[-1].val_accuracy > 0.9
    before, after = (load_checkpoint(path).tensors for path in (weights, tmp_path / "model.safetensors"))
    assert changed_stages(before, after) == learned


def test_rates_fall_from_the_head_down(lenet_recipe, weights):
    recipe = lenet_recipe(weights=str(weights), tune="full", optimize={"backbone_rate": 0.1, "layer_decay": 0.5})
    network = build("lenet5", classes=2)
    tuning = tuning_of(network, recipe)
    assert [tuning.rates[name] for name in ("head", "f6", "c5", "c3", "c1")] == [1.0, 0.1, 0.05, 0.025, 0.0125]
    groups = parameter_groups(network, tuning, 0.01)
    assert {(g["rate"], g["weight_decay"]) for g in groups} >= {(1.0, 0.01), (1.0, 0.0), (0.0125, 0.01)}
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("unfreeze", "said"), [(0, "must lie in 1 to 4"), (9, "must lie in 1 to 4"), (["c55"], "did you mean c5")]
)
def test_stages_that_are_not_there(lenet_recipe, unfreeze, said):
    recipe = lenet_recipe(weights="w", tune="partial", unfreeze=unfreeze)
    with pytest.raises(SpecError, match=said):
        tuning_of(build("lenet5"), recipe)


def test_folded_norms_are_known_by_their_statistics_and_stay(tmp_path, training):
    torch.manual_seed(0)
    network = build("mobilenet_v2", width_mult=0.25, classes=3)
    assert has_folded_norms(network)  # as built: mean 0, variance 1
    from safetensors.torch import save_file

    save_file(network.state_dict(), tmp_path / "folded.safetensors")
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.fill_(1 - norm.eps)
    assert has_folded_norms(network)  # as those are written whose root with eps is to be exactly 1
    network(torch.randn(4, 3, 32, 32))  # one step of training mode moves the statistics
    assert not has_folded_norms(network)
    save_file(network.state_dict(), tmp_path / "plain.safetensors")
    small = {"resize": 32, "crop": [32, 32]}
    for name, folded in (("folded", True), ("plain", False)):
        recipe = Recipe.from_dict(
            {
                "model": "mobilenet_v2",
                "arguments": {"width_mult": 0.25},
                "preprocess": small,
                "weights": str(tmp_path / f"{name}.safetensors"),
                "tune": "full",
            }
        )
        notes = []
        state = start(recipe, training.classes, device="cpu", on_note=notes.append)
        state.train_mode()
        norms = [m for m in state.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert {norm.training for norm in norms} == {not folded}
        assert any("folded" in note for note in notes) == folded


def test_a_scratch_network_is_not_taken_for_a_folded_one(lenet_recipe):
    recipe = Recipe.from_dict({"model": "mobilenet_v2", "arguments": {"width_mult": 0.25}})
    assert not start(recipe, ("a", "b"), device="cpu").tuning.folded


def test_features_are_computed_once_and_are_those_of_the_backbone(lenet_recipe, weights, task):
    training, validation = task
    recipe = lenet_recipe(weights=str(weights), tune="head")
    state = start(recipe, training.classes, device="cpu")
    passes = []
    state.network.body.register_forward_hook(lambda *_: passes.append(1))
    feed = feed_of(state, training, validation, workers=0, place=Place())
    assert isinstance(feed, FeatureFeed)
    once = len(passes)
    for epoch in range(5):
        assert sum(len(batch.labels) for batch in feed.training(epoch, 0)) == len(training)
    assert len(passes) == once
    batch = next(iter(feed.evaluation()))
    pixels = recipe.preprocess.pixels
    from edgekit.image.load import load_image

    first = torch.from_numpy(pixels(load_image(validation.sources[0], color="L")))
    mean, std = recipe.preprocess.mean[0], recipe.preprocess.std[0]
    normalized = (first.permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        assert torch.allclose(batch.inputs[0], state.network.eval().body(normalized)[0], atol=1e-4)


def test_features_leave_the_device_batch_by_batch(monkeypatch, lenet_recipe, weights, task):
    """All of them together may be more than its memory."""
    recipe = lenet_recipe(weights=str(weights), tune="head")
    state = start(recipe, task[0].classes, device="cpu")
    moved, to_host = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: moved.append(len(tensor)) or to_host(tensor))
    feed_of(state, *task, workers=0, place=Place())
    assert moved == [64, 26, 30]


def test_augmented_copies_differ_and_take_turns(lenet_recipe, weights, task):
    recipe = lenet_recipe(weights=str(weights), tune="head", augment={"feature_copies": 2, "rotate": 20.0})
    state = start(recipe, task[0].classes, device="cpu")
    feed = feed_of(state, *task, workers=0, place=Place())
    assert len(feed._copies) == 2
    assert not torch.equal(feed._copies[0], feed._copies[1])


def test_auxiliary_heads_add_their_loss(tmp_path, training, validation):
    """GoogLeNet's paper, section 5: with weight 0.3."""
    from edgekit.train.loader import Batch
    from edgekit.train.metrics import batch_loss
    from edgekit.zoo.network import AUXILIARY_WEIGHT

    assert AUXILIARY_WEIGHT == 0.3
    recipe = Recipe.from_dict(
        {"model": "googlenet", "arguments": {"auxiliary": True}, "preprocess": {"resize": 96, "crop": [96, 96]}}
    )
    state = start(recipe, ("a", "b"), device="cpu")
    state.train_mode()
    pixels = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    logits, auxiliary = state.forward(pixels)
    assert len(auxiliary) == 2
    labels = torch.tensor([0, 1])
    batch = Batch(pixels, labels, labels, 1.0, 2)
    total = batch_loss(logits, batch, smoothing=0) + sum(0.3 * batch_loss(a, batch, smoothing=0) for a in auxiliary)
    total.backward()
    assert all(p.grad is not None for p in state.network.auxiliary.parameters())
