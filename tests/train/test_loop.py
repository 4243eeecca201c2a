"""Complete training runs of a small network: what they write, how they stop, and how they resume."""

import dataclasses
import gc
import json
import multiprocessing
import signal

import numpy as np
import pytest
import torch

from edgekit.dataset import ImageSet
from edgekit.errors import DataError, EdgekitError, SpecError, WeightsError
from edgekit.files import sha256
from edgekit.train.checkpoint import load_checkpoint, save_checkpoint
from edgekit.train.loader import evaluation_batches
from edgekit.train.loop import train
from edgekit.train.lr_finder import find_learning_rate
from edgekit.train.metrics import ConfusionEvaluator
from edgekit.train.recipe import Recipe
from edgekit.zoo.network import PixelNetwork


class Killed(BaseException):
    """Ends a run as suddenly as a kill, because nothing in the loop catches it."""


def run(folder, recipe, training, validation, **options):
    return train(recipe, training, validation, run=folder, workers=0, **options)


def digest(folder):
    return sha256((folder / "model.safetensors").read_bytes())


def test_train_learns_and_writes_all_files_of_its_run_folder(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe(optimize={"epochs": 12})
    results, notes = [], []
    finished = run(tmp_path, recipe, training, validation, on_epoch=results.append, on_note=notes.append)
    assert results[-1].val_accuracy > 0.9
    assert {p.name for p in tmp_path.iterdir()} == {
        *("recipe.toml", "environment.json", "results.csv", "confusion.csv", "curves.png", "confusion.png"),
        "images_per_class.png",
        *("last.safetensors", "best.safetensors", "best.json", "model.safetensors", "model.json"),
    } | ({"previous.safetensors"} if (tmp_path / "previous.safetensors").exists() else set())
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 12
    assert json.loads((tmp_path / "environment.json").read_text())["torch"] == torch.__version__
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    network = PixelNetwork(loaded.network(), mean=recipe.preprocess.mean, std=recipe.preprocess.std)
    batches = evaluation_batches(validation, recipe.preprocess, batch_size=64, workers=0)
    evaluator = ConfusionEvaluator(classes=3, share=np.arange(len(validation)), images=len(validation))
    scores = evaluator.scores(evaluator.collect(network, batches))
    assert scores.val_accuracy == finished.state["val_accuracy"] == max(result.val_accuracy for result in results)
    assert scores.val_loss == pytest.approx(finished.state["val_loss"], rel=1e-5)
    assert notes[0].startswith("training 61,111 of 61,111 parameters")


def test_train_ends_its_processes_without_the_garbage_collector(tmp_path, lenet_recipe, training, validation):
    """The collector waits five seconds for each process: see `WorkerPool.close`."""
    before = set(multiprocessing.active_children())
    gc.disable()
    try:
        train(lenet_recipe(optimize={"epochs": 1}), training, validation, run=tmp_path, workers=1)
        assert set(multiprocessing.active_children()) <= before
    finally:
        gc.enable()


def test_train_of_a_finished_run_goes_on_with_more_epochs_after_a_restart(tmp_path, lenet_recipe, training, validation):
    shorter, longer = (
        lenet_recipe(keep="last", optimize={"epochs": epochs, "restarts": restarts})
        for epochs, restarts in ((2, []), (4, [2]))
    )
    run(tmp_path / "extended", shorter, training, validation)
    run(tmp_path / "extended", longer, training, validation, resume=True)
    run(tmp_path / "whole", longer, training, validation)
    assert digest(tmp_path / "extended") == digest(tmp_path / "whole")
    with pytest.raises(DataError, match="another recipe: epochs was 4 and is now 6"):
        run(tmp_path / "extended", lenet_recipe(keep="last", optimize={"epochs": 6}), training, validation, resume=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_train_resumed_after_any_epoch_ends_in_the_same_bytes(tmp_path, lenet_recipe, training, validation, optimizer):
    rate = {"sgd": 0.05, "adamw": 0.002, "rmsprop": 0.001}[optimizer]
    recipe = lenet_recipe(arguments={"dropout": 0.3}, optimize={"optimizer": optimizer, "learning_rate": rate})
    run(tmp_path / "whole", recipe, training, validation)

    def stop(result):
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            run(tmp_path / "cut", recipe, training, validation, resume=True, on_epoch=stop)
        recent = tmp_path / "cut" / "last.safetensors"
        assert recent.exists()
    run(tmp_path / "cut", recipe, training, validation, resume=True)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_train_saves_within_an_epoch_at_ctrl_c_and_resumes_there(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe(arguments={"dropout": 0.3})
    whole = []
    run(tmp_path / "whole", recipe, training, validation, on_epoch=whole.append)

    def interrupt(progress):
        if (progress.epoch, progress.step) == (2, 3):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", recipe, training, validation, on_step=interrupt)
    saved = load_checkpoint(tmp_path / "cut" / "last.safetensors")
    assert (saved.state["epoch"], saved.state["step"]) == (1, 3)
    rest = []
    run(tmp_path / "cut", recipe, training, validation, resume=True, on_epoch=rest.append)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
    assert [result.loss for result in rest] == [result.loss for result in whole[1:]]


def test_train_stops_at_a_nan_loss_and_keeps_the_checkpoint(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe()

    def stop(result):
        raise Killed

    with pytest.raises(Killed):
        run(tmp_path, recipe, training, validation, on_epoch=stop)
    before = (tmp_path / "last.safetensors").read_bytes()
    saved = load_checkpoint(tmp_path / "last.safetensors")
    broken = {name: t * float("nan") if "body.c3" in name else t for name, t in saved.tensors.items()}
    save_checkpoint(tmp_path / "last.safetensors", dataclasses.replace(saved, tensors=broken))
    with pytest.raises(EdgekitError, match=r"loss is nan at epoch 2, step 1.*last\.safetensors is unchanged"):
        run(tmp_path, recipe, training, validation, resume=True)
    (tmp_path / "last.safetensors").write_bytes(before)
    run(tmp_path, recipe, training, validation, resume=True)


def test_train_stops_at_a_huge_learning_rate_before_saving_weights(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe(optimize={"learning_rate": 1e30, "warmup_epochs": 0, "ema_decay": 0.0})
    with pytest.raises(EdgekitError, match="epoch 1, step"):
        run(tmp_path, recipe, training, validation)
    assert not (tmp_path / "last.safetensors").exists()


def test_train_rejects_a_corrupt_checkpoint_and_names_the_previous_one(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe()
    run(tmp_path, recipe, training, validation)
    data = bytearray((tmp_path / "last.safetensors").read_bytes())
    (tmp_path / "previous.safetensors").write_bytes(data)
    data[-100] ^= 1
    (tmp_path / "last.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match=r"last\.safetensors: corrupt: the checksum.*previous\.safetensors"):
        run(tmp_path, recipe, training, validation, resume=True)
    (tmp_path / "last.safetensors").unlink()
    run(tmp_path, recipe, training, validation, resume=True)


def test_train_neither_overwrites_nor_resumes_another_run(tmp_path, lenet_recipe, training, validation):
    run(tmp_path, lenet_recipe(), training, validation)
    with pytest.raises(DataError, match="already has a training run; continue it with `resume`"):
        run(tmp_path, lenet_recipe(), training, validation)
    with pytest.raises(DataError, match=r"learning_rate was 0\.05 and is now 0\.01"):
        run(tmp_path, lenet_recipe(optimize={"learning_rate": 0.01}), training, validation, resume=True)


def test_train_with_patience_stops_early_and_keeps_the_best_epoch(tmp_path, lenet_recipe, training, validation):
    # With random validation labels, the accuracy cannot keep rising.
    labels = tuple(np.random.default_rng(0).integers(0, 3, len(validation)).tolist())
    shuffled = ImageSet(validation.classes, validation.sources, validation.names, labels)
    results = []
    recipe = lenet_recipe(optimize={"epochs": 40, "patience": 3})
    finished = run(tmp_path, recipe, training, shuffled, on_epoch=results.append)
    assert len(results) < 40
    assert finished.state["val_accuracy"] == max(result.val_accuracy for result in results)
    assert finished.state["epoch"] == len(results) - 3
    assert confusion_accuracy(tmp_path) == finished.state["val_accuracy"]  # of the best epoch's weights
    (tmp_path / "confusion.csv").unlink()
    run(tmp_path, recipe, training, shuffled, resume=True)  # as if killed between the last checkpoint and the records
    assert confusion_accuracy(tmp_path) == finished.state["val_accuracy"]


def confusion_accuracy(folder):
    rows = (folder / "confusion.csv").read_text().splitlines()[1:]
    counts = np.array([[int(count) for count in row.split(",")[1:]] for row in rows])
    return counts.trace() / counts.sum()


def test_train_reports_where_it_resumes_and_rejects_other_images(tmp_path, lenet_recipe, training, validation):
    notes = []
    run(tmp_path, lenet_recipe(), training, validation, resume=True, on_note=notes.append)
    assert any("no checkpoint to resume from" in note for note in notes)
    run(tmp_path, lenet_recipe(), training, validation, resume=True, on_note=notes.append)
    assert "resuming after 3 of 3 epochs" in notes
    fewer = training.subset(range(len(training) - 1))
    relabeled = ImageSet(training.classes, training.sources, training.names, training.labels[::-1])
    for other in (fewer, relabeled):
        with pytest.raises(DataError, match="other images"):
            run(tmp_path, lenet_recipe(), other, validation, resume=True)


@pytest.mark.parametrize(
    ("device", "message"), [("gpu", "unknown device"), ("cpu:x", "unknown"), ("cuda:99", "not available")]
)
def test_train_rejects_a_device_that_is_not_available(tmp_path, lenet_recipe, training, validation, device, message):
    with pytest.raises(SpecError, match=message):
        run(tmp_path, lenet_recipe(), training, validation, device=device)
    with pytest.raises(SpecError, match=message):
        find_learning_rate(lenet_recipe(), training, device=device)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB.\nmore lines", "smaller `batch_size`"),
        ("DataLoader worker (pid 7) is killed by signal: Killed.", "fewer `workers`"),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "fewer `workers`"),
    ],
)
def test_train_reports_a_lack_of_memory_in_one_line(tmp_path, lenet_recipe, training, validation, message, advice):
    def fail(progress):
        raise RuntimeError(message)

    with pytest.raises(EdgekitError, match=f"{advice}.*{message[:10]}"):
        run(tmp_path, lenet_recipe(), training, validation, on_step=fail)


def test_train_learns_with_clipping_smoothing_mixing_and_bfloat16(tmp_path, lenet_recipe, training, validation):
    recipe = lenet_recipe(
        precision="bfloat16",
        augment={"mixup": 0.2, "cutmix": 1.0, "erase": 0.2},
        optimize={"clip_norm": 1.0, "label_smoothing": 0.1, "schedule": "step", "step_every": 1, "step_factor": 0.5},
    )
    results = []
    run(tmp_path, recipe, training, validation, on_epoch=results.append)
    assert results[-1].loss < results[0].loss


def test_train_rejects_other_classes_for_validation(tmp_path, lenet_recipe, training, validation):
    other = ImageSet(("a", "b", "c"), validation.sources, validation.names, validation.labels)
    with pytest.raises(DataError, match="must have the same classes"):
        run(tmp_path, lenet_recipe(), training, other)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_train_on_few_shards_is_train_on_a_folder(tmp_path, lenet_recipe, in_shards, training, validation, kind):
    """As long as the images of all shards are shuffled together, the order of an epoch is the same."""
    recipe = lenet_recipe(optimize={"epochs": 2}, augment={"rotate": 10.0, "mixup": 0.2}, balance="sampler")
    shards = [in_shards(images, each=20, kind=kind) for images in (training, validation)]
    run(tmp_path / "folder", recipe, training, validation)
    train(recipe, *shards, run=tmp_path / "shards", workers=2)
    assert digest(tmp_path / "shards") == digest(tmp_path / "folder")


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_train_on_many_shards_resumes_within_an_epoch(tmp_path, lenet_recipe, in_shards, training, validation, kind):
    recipe = lenet_recipe(arguments={"dropout": 0.3}, optimize={"epochs": 2, "shuffle_shards": 2})
    images = in_shards(training, each=10, kind=kind)
    train(recipe, images, validation, run=tmp_path / "whole", workers=1)

    def interrupt(progress):
        if (progress.epoch, progress.step) == (2, 2):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", recipe, images, validation, on_step=interrupt)
    run(tmp_path / "cut", recipe, images, validation, resume=True)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_train_solves_the_same_head_for_shards(tmp_path, weights, task, in_shards):
    recipe = Recipe.from_dict({"model": "lenet5", "weights": str(weights), "tune": "head"})
    run(tmp_path / "folder", recipe, *task)
    run(tmp_path / "shards", recipe, *(in_shards(images, each=12, kind="parquet") for images in task))
    assert digest(tmp_path / "shards") == digest(tmp_path / "folder")


def test_train_warns_of_shards_that_are_sorted_by_class(tmp_path, lenet_recipe, in_shards, training, validation):
    by_class = training.subset(np.argsort(training.labels, kind="stable"))
    notes = []
    recipe = lenet_recipe(optimize={"epochs": 1, "shuffle_shards": 1})
    run(tmp_path, recipe, in_shards(by_class, each=10), validation, on_note=notes.append)
    assert sum("the 9 shards are sorted by class" in note for note in notes) == 1
