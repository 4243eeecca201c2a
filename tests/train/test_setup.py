"""How a training run starts."""

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import DataError
from edgekit.train.distributed import TrainingProcess
from edgekit.train.recipe import Recipe
from edgekit.train.setup import check_whole_epoch, initial_state
from edgekit.train.state import Position
from edgekit.zoo.build import build


@pytest.mark.parametrize(("classes", "notes_count"), [(("a", "b"), 1), (tuple("0123456789"), 0)])
def test_initial_state_replaces_a_head_for_other_classes_with_a_note(tmp_path, lenet_recipe, classes, notes_count):
    weights = tmp_path / "weights.safetensors"
    state = build("lenet5").state_dict()
    save_file(state, weights)
    notes = []
    initial = initial_state(
        lenet_recipe(weights=str(weights), tune="full"), classes, device="cpu", on_note=notes.append
    )
    assert sum("initializing a new head for 2 classes" in note for note in notes) == notes_count
    loaded = initial.network.state_dict()
    assert torch.equal(loaded["body.f6.0.weight"], state["body.f6.0.weight"])
    assert loaded["head.fc.weight"].shape[0] == len(classes)


def test_check_whole_epoch_refuses_several_processes_within_an_epoch_of_a_single_one():
    check_whole_epoch(Position(epoch=2, step=5), TrainingProcess())
    check_whole_epoch(Position(epoch=2), TrainingProcess(rank=1, world=2))
    with pytest.raises(DataError, match="stopped after step 5 of epoch 3 by a single process, and 2 processes divide"):
        check_whole_epoch(Position(epoch=2, step=5), TrainingProcess(rank=1, world=2))


@pytest.mark.parametrize(
    ("optimize", "warned"),
    [
        ({"learning_rate": 0.01}, True),
        ({"learning_rate": 1e-3}, False),
        ({"learning_rate": 0.01, "optimizer": "sgd"}, False),
    ],
)
def test_fine_tuning_warns_of_a_rate_that_was_made_for_sgd(weights, optimize, warned):
    values = {"model": "lenet5", "weights": str(weights), "tune": "full", "optimize": optimize}
    notes = []
    initial_state(Recipe.from_dict(values), ("no", "yes"), device="cpu", on_note=notes.append)
    warning = "warning: a `learning_rate` of 0.01 is 20 times the default for adamw; if it was made for sgd"
    assert any(note.startswith(warning) for note in notes) == warned
