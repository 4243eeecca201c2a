"""Which parts of a network are trained."""

import pytest
import torch

from edgekit.errors import SpecError
from edgekit.train.checkpoint import load_checkpoint
from edgekit.train.loop import train
from edgekit.train.tune import choose_tuning, linear_head, parameter_groups
from edgekit.zoo.build import build
from edgekit.zoo.specs import SPECS


def changed_stages(before, after):
    """The stages whose tensors differ between two state dicts."""
    return {
        ".".join(name.split(".")[:2]).removesuffix(".fc")
        for name in before
        if before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
    }


@pytest.mark.parametrize(
    ("choices", "trained"),
    [
        ({"tune": "head"}, {"head"}),
        ({"tune": "partial", "unfreeze": 1}, {"head", "body.f6"}),
        ({"tune": "partial", "unfreeze": ["c5", "f6"]}, {"head", "body.c5", "body.f6"}),
        ({"tune": "full"}, {"head", "body.c1", "body.c3", "body.c5", "body.f6"}),
    ],
)
def test_train_changes_exactly_the_parts_that_tune_names(tmp_path, lenet_recipe, weights, task, choices, trained):
    recipe = lenet_recipe(weights=str(weights), **choices, keep="last", optimize={"epochs": 8, "optimizer": "sgd"})
    results = []
    train(recipe, *task, run=tmp_path, workers=0, on_epoch=results.append)
    assert results[-1].val_accuracy > 0.9
    before, after = (load_checkpoint(path).tensors for path in (weights, tmp_path / "model.safetensors"))
    assert changed_stages(before, after) == trained


def test_choose_tuning_decreases_the_rates_from_the_head_down(lenet_recipe, weights):
    recipe = lenet_recipe(weights=str(weights), tune="full", optimize={"backbone_rate": 0.1, "layer_decay": 0.5})
    network = build("lenet5", classes=2)
    tuning = choose_tuning(network, recipe)
    assert [tuning.rates[name] for name in ("head", "f6", "c5", "c3", "c1")] == [1.0, 0.1, 0.05, 0.025, 0.0125]
    groups = parameter_groups(network, tuning, 0.01)
    assert {(g["rate"], g["weight_decay"]) for g in groups} >= {(1.0, 0.01), (1.0, 0.0), (0.0125, 0.01)}
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("unfreeze", "message"), [(0, "must be from 1 to 4"), (9, "must be from 1 to 4"), (["c55"], "did you mean c5")]
)
def test_choose_tuning_rejects_stages_that_do_not_exist(lenet_recipe, unfreeze, message):
    recipe = lenet_recipe(weights="w", tune="partial", unfreeze=unfreeze)
    with pytest.raises(SpecError, match=message):
        choose_tuning(build("lenet5"), recipe)


def test_linear_head_is_the_last_layer_of_every_network_with_a_linear_one():
    refused = []
    for model in SPECS:
        with torch.device("meta"):
            network = build(model, classes=7)
        try:
            assert linear_head(network, model) is network.head.fc
        except SpecError:
            refused.append(model)
    assert refused == ["nin", "nin_cifar10"]
