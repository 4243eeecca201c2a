"""Checkpoints that are damaged, old or written to a full disk."""

import copy
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made_checkpoints import hostile_checkpoints

from edgekit.errors import EdgekitError, WeightsError
from edgekit.export.networks import network_from_checkpoint
from edgekit.files import sha256
from edgekit.train.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build


def run(folder, recipe, training, validation, **options):
    return train(recipe, training, validation, run=folder, workers=0, **options)


def digest(folder):
    return sha256((folder / "model.safetensors").read_bytes())


def test_load_checkpoint_refuses_any_damaged_byte(tmp_path, lenet_recipe, training, validation):
    run(tmp_path, lenet_recipe(), training, validation)
    data = (tmp_path / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    rng = np.random.default_rng(0)
    places = {*range(data.index(b"sha256"), data.index(b"sha256") + 12), *rng.integers(8, header, 60).tolist()}
    for at in places:
        broken = bytearray(data)
        broken[at] ^= 1
        (tmp_path / "broken.safetensors").write_bytes(broken)
        with pytest.raises(WeightsError, match=r"broken\.safetensors"):
            load_checkpoint(tmp_path / "broken.safetensors")


def test_load_checkpoint_reads_old_files_without_a_checksum(tmp_path, lenet_recipe, training, validation):
    from safetensors.torch import save_file

    finished = run(tmp_path, lenet_recipe(), training, validation)
    facts = copy.deepcopy(finished.facts())
    tensors = {name: tensor.contiguous() for name, tensor in finished.tensors.items()}
    save_file(tensors, tmp_path / "old.safetensors", metadata={"edgekit": json.dumps(facts)})
    assert load_checkpoint(tmp_path / "old.safetensors").classes == training.classes


@pytest.mark.parametrize(
    ("classes", "arguments", "message"),
    [
        (1_000_000, {}, "do not fit its network mobilenet_v2 with 1000000 classes"),
        (3_000_000, {}, "cannot be built: `classes` must be an integer from 1 to 1000000"),
        (10, {"width_mult": 8}, "do not fit its network"),
        (10, {"width_mult": 1e30}, "cannot be built: `width_mult` must be a number from 0.001 to 10"),
        (9, {}, "do not fit its network mobilenet_v2 with 9 classes"),
    ],
)
def test_network_refuses_a_checkpoint_that_describes_another_network(classes, arguments, message):
    tensors = build("mobilenet_v2", classes=10, width_mult=0.1).state_dict()
    recipe = Recipe.from_dict({"model": "mobilenet_v2", "arguments": {"width_mult": 0.1} | arguments})
    checkpoint = Checkpoint(recipe=recipe, classes=tuple(map(str, range(classes))), tensors=tensors)
    with pytest.raises(WeightsError, match=message):
        checkpoint.network()


HARMLESS = {"schema-7", "state-4", "state-6"}  # of a schema that equals 1, and of facts that nothing needs


def test_network_of_a_hostile_checkpoint_is_refused_in_one_line(tmp_path):
    """Those without a checksum, as old files are. None may allocate what it describes, or take long."""
    for name, data in hostile_checkpoints():
        (tmp_path / name).write_bytes(data)
        start = time.process_time()
        try:
            network_from_checkpoint(tmp_path / name, license="CC0-1.0")
        except EdgekitError as error:
            assert len(str(error).splitlines()) == 1, name  # noqa: PT017
        else:
            assert Path(name).stem in HARMLESS
        assert time.process_time() - start < 5, name


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda saved: {"state": saved.state | {"epoch": "one"}}, "epoch is 'one'"),
        (lambda saved: {"state": saved.state | {"unknown": 1}}, "unexpected keyword argument 'unknown'"),
        (lambda saved: {"tensors": {}}, "Missing key"),
        (lambda saved: {"tensors": {**saved.tensors, "optimizer.x/y": torch.zeros(1)}}, "'y'"),
    ],
)
def test_train_refuses_to_resume_from_a_checkpoint_that_does_not_fit(
    tmp_path, lenet_recipe, training, validation, change, reason
):
    run(tmp_path, lenet_recipe(), training, validation)
    saved = load_checkpoint(tmp_path / "last.safetensors")
    save_checkpoint(tmp_path / "last.safetensors", dataclasses.replace(saved, **change(saved)))
    with pytest.raises(WeightsError, match=f"does not fit its network: .*{reason}"):
        run(tmp_path, lenet_recipe(), training, validation, resume=True)


def test_checkpoint_path_finds_the_model_of_a_finished_run(tmp_path):
    for name in ("last.safetensors", "best.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(WeightsError, match=r"has no model.safetensors.*\(it has best.safetensors, last.safetensors\)"):
        checkpoint_path(tmp_path)
    (tmp_path / "model.safetensors").touch()
    model = tmp_path / "model.safetensors"
    assert checkpoint_path(tmp_path) == checkpoint_path(model) == model


def test_save_checkpoint_on_a_full_disk_keeps_the_old_file(tmp_path, lenet_recipe, training, validation, monkeypatch):
    recipe = lenet_recipe()
    run(tmp_path, recipe, training, validation)
    saved = load_checkpoint(tmp_path / "last.safetensors")
    before = digest(tmp_path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgekit.files.os.fsync", full)
    with pytest.raises(EdgekitError, match="No space left on device"):
        save_checkpoint(tmp_path / "model.safetensors", saved)
    assert digest(tmp_path) == before
    assert not list(tmp_path.glob("*.tmp"))
