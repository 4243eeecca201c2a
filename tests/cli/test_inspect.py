"""`edgekit inspect` from the command line."""

import json

import pytest
from made_models import write_tiny

from edgekit import Classifier
from edgekit.zoo.specs import SPECS


def test_inspect_shows_the_metadata_of_a_file(edgekit, tiny_artifact):
    info = Classifier(tiny_artifact).info
    assert json.loads(edgekit("inspect", tiny_artifact, "--json")[1]) == info.to_dict()
    code, out, _ = edgekit("inspect", tiny_artifact)
    assert code == 0
    assert all(text in out for text in (info.license, str(info.preprocess.crop), ", ".join(info.labels)))


def test_inspect_shows_the_temperature(edgekit, tmp_path):
    fit = {"images": 100, "interval": [0.6, 0.81]}
    metrics = {"images": 400, "top1": 0.9, "top5": 1.0, "ece": 0.031, "uncalibrated_ece": 0.152}
    path = write_tiny(tmp_path / "tiny.onnx", temperature=0.7, temperature_fit=fit, metrics=metrics)
    text = "0.7 (95% interval 0.6 to 0.81), fitted to 100 images; ECE 0.1520 -> 0.0310 on 400 images"
    assert f"temperature   {text}" in edgekit("inspect", path)[1].splitlines()
    plain = write_tiny(tmp_path / "plain.onnx", temperature=0.7)
    assert "temperature   0.7" in edgekit("inspect", plain)[1].splitlines()
    odd = write_tiny(tmp_path / "odd.onnx", temperature=0.7, temperature_fit={"interval": "wide"})
    code, _, err = edgekit("inspect", odd)
    assert (code, "malformed figures in the metadata" in err) == (4, True)


def test_inspect_shows_how_a_file_was_made(edgekit):
    out = edgekit("inspect", "lenet5-mnist-int8")[1]
    steps = [line.split()[0] for line in out.splitlines() if line.split()[0] in ("to_onnx", "simplify", "quantize")]
    assert steps == ["to_onnx", "simplify", "quantize"]
    assert "by onnxsim" in out
    assert "by int8 for " in out
    assert "bilinear, padded by 2" in out


@pytest.mark.parametrize("model", ["lenet5", "lenet5-mnist", "lenet5-mnist-int8"])
def test_inspect_layers_costs_the_same_for_a_network_and_its_files(edgekit, model):
    document = json.loads(edgekit("inspect", model, "--layers", "--json")[1])
    assert document["total"]["macs"] == SPECS["lenet5"].macs
    assert document["total"]["macs"] == sum(layer["macs"] for layer in document["layers"])
    assert document["layers"][-1]["output"] == [10]
    code, out, _ = edgekit("inspect", model, "--layers")
    assert code == 0
    assert out.splitlines()[-1].split()[-1] == f"{SPECS['lenet5'].macs:,}"


def test_inspect_layers_of_a_third_party_file(edgekit, shared):
    plain = shared / "weights/mobilenet_v2_imagenet_plain.onnx"
    document = json.loads(edgekit("inspect", plain, "--layers", "--json")[1])
    assert document["total"]["macs"] == SPECS["mobilenet_v2"].macs
    assert edgekit("inspect", plain)[0] == 4  # it says nothing of itself


def test_inspect_a_network(edgekit):
    code, out, _ = edgekit("inspect", "resnet18")
    assert code == 0
    assert "1512.03385" in out
    assert json.loads(edgekit("inspect", "resnet18", "--json")[1])["parameters"] == SPECS["resnet18"].parameters


def test_inspect_mobile_lists_what_accelerators_refuse(edgekit, tiny_artifact):
    code, out, _ = edgekit("inspect", tiny_artifact, "--mobile")
    assert code == 0
    assert "NNAPI" in out
    assert "onnxruntime 1." in out.splitlines()[-1]
    document = json.loads(edgekit("inspect", tiny_artifact, "--mobile", "--json")[1])
    assert document["providers"][0]["provider"] == "NNAPI"
    assert all(row["taken"] <= row["nodes"] for row in document["providers"])
