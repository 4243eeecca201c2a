"""Batch norms in training: fixed where their statistics belong to the weights, and fast enough elsewhere."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgekit.train.batch_norms import batch_norms, has_folded_norms
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe
from edgekit.train.setup import initial_state
from edgekit.zoo.build import build

SMALL = {"model": "mobilenet_v2", "arguments": {"width_mult": 0.1}, "preprocess": {"resize": 32, "crop": [32, 32]}}


@pytest.fixture
def other_classes(tmp_path):
    """Weights for 5 classes, of a network whose norms have statistics."""
    torch.manual_seed(0)
    network = build("mobilenet_v2", width_mult=0.1, classes=5)
    for _ in range(20):
        network(torch.randn(8, 3, 32, 32))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("head_start", [True, False])
def test_norms_keep_their_statistics_if_the_head_is_solved_for(
    tmp_path, training, validation, other_classes, head_start
):
    optimize = {"epochs": 1, "head_start": head_start, "warmup_epochs": 0}
    values = SMALL | {"weights": str(other_classes), "tune": "full", "keep": "last", "optimize": optimize}
    notes, recipe = [], Recipe.from_dict(values)
    trained = train(recipe, training, validation, run=tmp_path / "run", workers=0, on_note=notes.append).tensors
    before = load_file(other_classes)
    statistics = [name for name in trained if name.endswith(("running_mean", "running_var"))]
    assert all(trained[name].equal(before[name]) for name in statistics) == head_start
    assert not trained["body.stem.norm.weight"].equal(before["body.stem.norm.weight"])
    assert any(note.startswith("batch norms keep their statistics") for note in notes) == head_start


@pytest.mark.parametrize(
    ("changes", "momentum"),
    [
        ({}, 0.1),
        ({"arguments": {"norm_momentum": 0.03}}, 0.03),
        ({"model": "mobilenet_v2"}, 0.1),  # as by default
    ],
)
def test_momentum_of_slow_norms_is_raised_unless_the_recipe_has_a_momentum(changes, momentum):
    recipe, notes = Recipe.from_dict({"model": "mobilenet_v3_small"} | changes), []
    state = initial_state(recipe, ("a", "b"), device="cpu", on_note=notes.append)
    assert {norm.momentum for norm in batch_norms(state.network)} == {momentum}
    assert ["0.1, because 0.01 is for" in note for note in notes if "momentum" in note] == ([] if changes else [True])


def test_norms_of_new_auxiliary_heads_learn_their_statistics(tmp_path, training):
    torch.manual_seed(0)
    network = build("googlenet", classes=5)
    with torch.no_grad():
        network(torch.randn(2, 3, 64, 64))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    values = {"model": "googlenet", "weights": str(tmp_path / "weights.safetensors"), "tune": "full"}
    recipe = Recipe.from_dict(values | {"arguments": {"auxiliary": True}})
    state = initial_state(recipe, training.classes, device="cpu")
    state.train_mode()
    assert not any(norm.training for norm in batch_norms(state.network.body))
    assert all(norm.training for norm in batch_norms(state.network.auxiliary))


def test_initial_state_detects_folded_norms_in_published_weights(shared, training):
    weights = str(shared / "weights/mobilenet_v2_imagenet.safetensors")
    recipe = Recipe.from_dict(
        {"model": "mobilenet_v2", "weights": weights, "tune": "full", "optimize": {"head_start": False}}
    )
    assert initial_state(recipe, training.classes, device="cpu").tuning.fixed_norms


def test_folded_norms_are_detected_by_their_statistics_and_stay_fixed(tmp_path, training):
    torch.manual_seed(0)
    network = build("mobilenet_v2", width_mult=0.25, classes=3)
    assert has_folded_norms(network)  # as built: mean 0, variance 1
    save_file(network.state_dict(), tmp_path / "folded.safetensors")
    for norm in batch_norms(network):
        norm.running_var.fill_(1 - norm.eps)
    assert has_folded_norms(network)  # as some exporters write it, so that the standard deviation with eps is 1
    network(torch.randn(4, 3, 32, 32))  # one batch in training mode moves the statistics
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
        state = initial_state(recipe, training.classes, device="cpu", on_note=notes.append)
        state.train_mode()
        assert {norm.training for norm in batch_norms(state.network)} == {not folded}
        assert any("folded" in note for note in notes) == folded


def test_initial_state_does_not_take_a_scratch_network_for_a_folded_one(lenet_recipe):
    recipe = Recipe.from_dict({"model": "mobilenet_v2", "arguments": {"width_mult": 0.25}})
    assert not initial_state(recipe, ("a", "b"), device="cpu").tuning.fixed_norms
