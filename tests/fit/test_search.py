"""Searches from images to a verified model, on drawn images and for a device with a made-up cost model."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from made_search import BUDGET, draw_images, made_device, search
from safetensors.torch import save_file

from edgekit import Classifier, dataset
from edgekit.errors import DataError, QualityGateError, SpecError
from edgekit.fit.budget import Budget
from edgekit.fit.fitted import Fitted
from edgekit.fit.plan import Plan
from edgekit.fit.search import fit
from edgekit.train import load_checkpoint, read_recipe, train
from edgekit.zoo.build import build


class Searched(NamedTuple):
    folder: Path
    fitted: Fitted
    begun: Path
    ending: Path


SCRIPT = Path(__file__).parents[1] / "made" / "made_search.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("stripes") / "stripes")


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    """An uninterrupted search: its folder, what it returned, and copies of its state at its beginning and its end.

    They are of the moments before the first and before the last training.
    """
    folder = tmp_path_factory.mktemp("searched")

    def copy_state(stage, done, total):
        for beginning in ("rung", "training"):
            copy = folder / beginning / "state.json"
            if stage.startswith(f"{beginning} ") and not copy.exists():
                copy.parent.mkdir()
                shutil.copy(folder / "out" / "state.json", copy)

    with pytest.MonkeyPatch.context() as patch:
        simplify_module = importlib.import_module("edgekit.export.simplify")  # `edgekit.export.simplify` is a function
        patch.setattr(simplify_module, "_SIMPLIFIERS", {})
        patch.setattr("edgekit.fit.preselection.candidate_count", lambda seconds: 2)
        fitted = search(data, folder / "out", progress=copy_state)
    return Searched(folder / "out", fitted, folder / "rung", folder / "training")


def test_search_writes_the_model_of_the_best_candidate_inside_the_budget(searched, data):
    folder, fitted = searched.folder, searched.fitted
    chosen = fitted.chosen
    assert chosen.stage == "chosen"
    assert BUDGET.admits(chosen.figures)
    assert chosen.figures.size_bytes == (folder / "model.onnx").stat().st_size
    classifier = Classifier(folder / "model.onnx")
    assert classifier.labels == ("columns", "rows")
    assert classifier.info.metrics["images"] == fitted.val_images == 24
    assert fitted.val_accuracy == classifier.info.metrics["top1"]
    assert fitted.held_out_images == 12
    assert chosen in fitted.points
    assert len(fitted.points) > 20


def test_search_states_its_rungs_and_its_reason(searched):
    fitted = searched.fitted
    (rung,) = fitted.rungs
    assert (rung.number, len(rung.candidates), len(rung.survivors)) == (1, 2, 1)
    assert rung.survivors == (fitted.chosen.name,)
    assert all(1 <= count <= 36 for count in rung.images.values())
    assert fitted.reason.startswith("Of 2 candidates that were trained, the one that is expected to have the highest")
    higher = max(rung.accuracies.values()) > fitted.chosen.accuracy
    assert ("another one had" in fitted.reason) == higher
    assert "12 held-out training images" in fitted.reason
    inside = [point.prior for point in fitted.points if fitted.budget.admits(point.predicted)]
    assert ("give the search more time" in fitted.reason) == (max(inside) >= fitted.chosen.prior + 0.1)
    assert {point.stage for point in fitted.points} == {"ranked", "trained", "chosen"}


def test_recipe_of_a_search_rebuilds_its_network(searched, data, tmp_path):
    folder = searched.folder
    recipe = read_recipe(folder / "recipe.toml")
    train(recipe, *dataset.read_both(data), run=tmp_path / "run", workers=0)
    (final,) = folder.glob("candidates/*-final/model.safetensors")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == final.read_bytes()


def test_finished_search_is_not_repeated(searched, data):
    folder, fitted = searched.folder, searched.fitted
    stages, notes = [], []
    before = (folder / "model.onnx").stat().st_mtime_ns
    again = search(data, folder, progress=lambda stage, done, total: stages.append(stage), on_note=notes.append)
    assert again.chosen == fitted.chosen
    assert (again.rungs, again.reason) == (fitted.rungs, fitted.reason)
    assert (folder / "model.onnx").stat().st_mtime_ns == before
    assert not any(stage.startswith(("rung", "training", "export", "measuring")) for stage in stages)
    assert notes[0].startswith(f"{folder}: continuing the search")


def test_search_killed_at_several_moments_makes_the_same_choice(searched, data, tmp_path):
    folder, fitted = searched.folder, searched.fitted
    output = tmp_path / "out"
    shutil.copytree(searched.begun, output)
    state = json.loads((output / "state.json").read_text())
    second = list(state["entries"])[1]
    for stage, name, status in (
        (f"rung 1 of 1: {second}", "SIGKILL", -9),
        (f"rung 1 of 1: {second}", "SIGINT", 1),
        ("training", "SIGINT", 1),
        ("export", "SIGKILL", -9),
    ):
        command = [sys.executable, SCRIPT, data, output, stage, name]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert (done.stderr == "interrupted\n") == (status == 1)
    finished = subprocess.run([sys.executable, SCRIPT, data, output], check=True, capture_output=True, text=True)
    assert finished.stdout.strip() == fitted.chosen.name
    assert load_checkpoint(next(output.glob("candidates/*-final/model.safetensors"))).recipe == read_recipe(
        folder / "recipe.toml"
    )
    again = json.loads((output / "state.json").read_text())
    assert again["rungs"][0]["accuracies"] == dict(fitted.rungs[0].accuracies)
    assert again["seconds"] > state["seconds"]


def test_search_in_int8_passes_the_gate(data, tmp_path, unsimplified, monkeypatch):
    monkeypatch.setattr("edgekit.fit.preselection.candidate_count", lambda seconds: 1)
    fitted = search(
        data, tmp_path / "out", precision="int8", device=made_device(is_here=True), budget=Budget(latency_ms=50)
    )
    assert fitted.chosen.candidate.precision == "int8"
    assert fitted.chosen.measured.latency_ms != fitted.chosen.predicted.latency_ms
    info = Classifier(tmp_path / "out" / "model.onnx").info
    assert (info.precision, info.target) == ("int8", "x86-avx2")
    assert fitted.verdict == info.parity["quantize"]["verdict"] == "unproven"
    assert fitted.quantized_accuracy == info.metrics["top1"]
    text = (tmp_path / "out" / "recipe.toml").read_text()
    scheme = info.parity["quantize"]["recipe"]
    assert f"--target x86-avx2 --scheme {scheme} --max-drop 100 --min-speedup 0 -o model.onnx" in text


def _finish_at_once(monkeypatch, figures):
    """Finish candidates without training and exporting them; these are the figures of one after the other."""
    figures = list(figures)
    monkeypatch.setattr("edgekit.fit.search_task.SearchTask.train", lambda *_, **__: None)
    verified = {"val_accuracy": 0.5, "quantized_accuracy": None, "verdict": None, "scheme": None}
    monkeypatch.setattr("edgekit.fit.winner._written", lambda task, name, **_: verified)
    monkeypatch.setattr("edgekit.fit.winner.quiet_figures", lambda paths, **_: [figures.pop(0)])


def test_candidate_that_exceeds_the_budget_at_its_end_is_replaced_by_the_next(searched, data, tmp_path, monkeypatch):
    fitted = searched.fitted
    shutil.copytree(searched.ending, tmp_path / "out")
    fits = fitted.chosen.figures
    _finish_at_once(monkeypatch, [fits._replace(size_bytes=2_000_000), fits])
    notes = []
    other = search(data, tmp_path / "out", on_note=notes.append)
    assert other.chosen.name in set(fitted.rungs[0].accuracies) - {fitted.chosen.name}
    assert any(f"{fitted.chosen.name} is not written: it exceeds `size` with" in note for note in notes)
    assert other.reason.startswith("The best of 2 trained candidates, except for some that were rejected")
    assert f"{fitted.chosen.name} exceeds `size`" in other.reason


def test_search_ends_with_an_error_if_nothing_passes(searched, data, tmp_path, monkeypatch):
    fitted = searched.fitted
    shutil.copytree(searched.ending, tmp_path / "out")
    _finish_at_once(monkeypatch, [fitted.chosen.figures._replace(size_bytes=2_000_000)] * 2)
    with pytest.raises(QualityGateError, match=r"none of 2 candidates that were trained .*exceeds `size`"):
        search(data, tmp_path / "out")
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_search_with_weights_solves_for_heads_first_and_then_tunes_everything(tmp_path, monkeypatch):
    data = draw_images(tmp_path / "images", train=12, val=4)
    network = build("mobilenet_v3_small", classes=5)
    save_file({name: tensor.clone() for name, tensor in network.state_dict().items()}, tmp_path / "w.safetensors")
    plan = {"epochs": (2, 3), "survivors": (1, 1), "begun": 0.0}
    monkeypatch.setattr("edgekit.fit.preselection.candidate_count", lambda seconds: 1)
    monkeypatch.setattr("edgekit.fit.preselection._measure", _predicted_as_measured)
    monkeypatch.setattr(
        "edgekit.fit.search.divide", lambda seconds, speeds, **_: Plan(images=dict.fromkeys(speeds, 4), **plan)
    )
    monkeypatch.setattr("edgekit.fit.search.finish", lambda task: None)
    weights = [str(tmp_path / "w.safetensors")]
    device, budget = made_device(), Budget(latency_ms=50)
    fitted = fit(
        data,
        tmp_path / "out",
        budget=budget,
        device=device,
        weights=weights,
        networks=["mobilenet_v3_small"],
        workers=0,
    )
    assert {point.candidate.width_mult for point in fitted.points} == {1.0}
    ((name, entry),) = json.loads((tmp_path / "out" / "state.json").read_text())["entries"].items()
    assert [rung.images[name] for rung in fitted.rungs] == [18, 4]
    results = entry["results"]
    assert results["1"]["tune"] == "head"
    assert results["2"]["accuracy"] >= results["1"]["accuracy"]
    runs = tmp_path / "out" / "candidates"
    head, full = (load_checkpoint(next(runs.glob(f"*-{kind}/model.safetensors"))) for kind in ("head", "full"))
    assert (head.recipe.solver, full.recipe.tune, full.recipe.optimize.epochs) == ("lbfgs", "full", 1)


def _predicted_as_measured(task, names):
    for name in names:
        task.state.entries[name]["measured"] = task.points[name].predicted._asdict()


def test_search_that_is_continued_measures_no_more_candidates_than_an_uninterrupted_one(data, tmp_path, monkeypatch):
    monkeypatch.setattr("edgekit.fit.preselection._speed", lambda *_: 100.0)
    shortlists = []

    def measure(task, names):
        shortlists.append(names)
        if len(shortlists) == 2:
            raise KeyboardInterrupt
        for name in names:
            task.state.entries[name]["measured"] = task.points[name].predicted._replace(latency_ms=60)._asdict()

    monkeypatch.setattr("edgekit.fit.preselection._measure", measure)
    with pytest.raises(KeyboardInterrupt):
        search(data, tmp_path / "out")
    for _ in range(2):
        with pytest.raises(SpecError, match="keeps the budget"):
            search(data, tmp_path / "out")
    first, second, again, third = shortlists
    assert second == again
    assert not {*first} & {*second} | {*second} & {*third}


def test_impossible_budget_names_the_nearest_candidate_and_writes_nothing(data, tmp_path):
    with pytest.raises(
        SpecError, match=r"none of \d+ candidates keeps the budget .*the nearest is mobilenet_v1 .*raise `size`"
    ):
        search(data, tmp_path / "out", budget=Budget(latency_ms=0.5, size_bytes=2000))
    assert not (tmp_path / "out").exists()


def test_search_without_training_ranks_and_can_be_continued_with_it(data, tmp_path):
    fitted = search(data, tmp_path / "out", training=False)
    assert (fitted.chosen, fitted.rungs, fitted.model) == (None, (), None)
    assert {point.stage for point in fitted.points} == {"ranked"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["front.json", "report.html", "state.json"]
    with pytest.raises(DataError, match="has a fit with hours"):
        search(data, tmp_path / "out", hours=3)
    (data / "val" / "rows" / "new.png").write_bytes((data / "val" / "rows" / "00.png").read_bytes())
    try:
        with pytest.raises(DataError, match="has a fit of other images or labels"):
            search(data, tmp_path / "out")
    finally:
        (data / "val" / "rows" / "new.png").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 5}, "`budget` must be a Budget"),
        ({"device": "this"}, "`device` must be a Device"),
        ({"hours": 0}, "`hours` must be a number above 0"),
        ({"hours": float("nan")}, "`hours` must be"),
        ({"weights": "imagenet"}, "`weights` must be a list of names"),
        ({"arguments": {"padding": "tf_same"}}, "`arguments` describes a weights file; name one with `weights`"),
        ({"weights": ["imagenet"], "preprocess": {"mean": 0.5}}, "`preprocess` describes a weights file"),
        ({"weights": ["w.pth"], "preprocess": {"means": 0.5}}, "means"),
        ({"weights": ["w.pth"], "preprocess": 5}, "`preprocess` must be"),
        ({"networks": ["vgg16"]}, "unknown network 'vgg16'"),
        ({"precisions": ["int4"]}, "int4"),
        ({"precisions": []}, "`precisions` must be"),
        ({"val_fraction": 1}, "`val_fraction` must be"),
        ({"max_drop": -1}, "`max_drop` must be"),
        ({"workers": True}, "`workers` must be"),
        ({"seed": -1}, "`seed` must be"),
        ({"training": "no"}, "`training` must be"),
    ],
)
def test_fit_refuses_wrong_arguments_before_it_reads_images(tmp_path, change, message):
    arguments = {"budget": BUDGET, "device": made_device(), **change}
    with pytest.raises(SpecError, match=message):
        fit(tmp_path / "absent", tmp_path / "out", **arguments)
