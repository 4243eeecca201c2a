"""`edgekit inspect` from the command line."""

import json
import shlex
from pathlib import Path

import pytest
from made_malformed import malformed_graphs
from made_models import refused_models, tiny_info, write_tiny
from made_plain import LABELS, plain_model

from edgekit import Classifier
from edgekit.artifact.info import write_info
from edgekit.zoo.specs import SPECS


def test_inspect_shows_the_metadata_of_a_file(edgekit, tiny_artifact):
    info = Classifier(tiny_artifact).info
    assert json.loads(edgekit("inspect", tiny_artifact, "--json")[1]) == info.to_dict()
    code, out, _ = edgekit("inspect", tiny_artifact)
    assert code == 0
    assert all(text in out for text in (info.license, str(info.preprocess.crop), ", ".join(info.labels)))


def test_inspect_shows_the_temperature(edgekit, tmp_path):
    fit = {"images": 100, "interval": [0.6, 0.81]}
    metrics = {"images": 400, "top1": 0.9, "top5": 1.0, "ece_images": 300, "ece": 0.031, "uncalibrated_ece": 0.152}
    path = write_tiny(tmp_path / "tiny.onnx", temperature=0.7, temperature_fit=fit, metrics=metrics)
    text = "0.7 (95% interval 0.6 to 0.81), fitted to 100 images; ECE 0.1520 -> 0.0310 on 300 other images"
    assert f"temperature   {text}" in edgekit("inspect", path)[1].splitlines()
    plain = write_tiny(tmp_path / "plain.onnx", temperature=0.7)
    assert "temperature   0.7" in edgekit("inspect", plain)[1].splitlines()
    odd = write_tiny(tmp_path / "odd.onnx", temperature=0.7, temperature_fit={"interval": "wide"})
    code, _, err = edgekit("inspect", odd)
    assert (code, "malformed figures in the metadata" in err) == (4, True)


def test_inspect_shows_the_verdict_of_the_quality_gate(edgekit, tmp_path):
    figures = {"images": 500, "logit_difference": 0.1, "agreement": 0.99, "max_drop": 1.0, "drop_interval": [-0.2, 0.7]}
    proven = write_tiny(tmp_path / "proven.onnx", parity={"quantize": {**figures, "verdict": "proven"}})
    lines = edgekit("inspect", proven)[1].splitlines()
    assert "verdict       proven: it loses at most 1 percentage points of top-1" in lines
    assert "change        -0.70 to +0.20 percentage points of top-1 (95% interval)" in lines
    older = write_tiny(tmp_path / "older.onnx", parity={"quantize": figures})
    assert not {"verdict", "change"} & {line.split()[0] for line in edgekit("inspect", older)[1].splitlines()}
    worse = {"verdict": "rejected", "worse": "did not pass the quality gate: it is slow"}
    rejected = write_tiny(tmp_path / "rejected.onnx", parity={"quantize": {**figures, **worse}})
    assert edgekit("inspect", rejected)[1].count("did not pass the quality gate") == 1
    for odd in ({"drop_interval": 3}, {"drop_interval": [1, 10**400]}, {"max_drop": "1"}):
        path = write_tiny(tmp_path / "odd.onnx", parity={"quantize": {**figures, "verdict": "proven", **odd}})
        code, _, err = edgekit("inspect", path)
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


@pytest.fixture
def plain(tmp_path, monkeypatch) -> Path:
    """A third-party model, in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("my model.onnx").write_bytes(plain_model(end="softmax", opset=13).SerializeToString())
    return Path("my model.onnx")


def test_inspect_a_third_party_file_shows_what_it_is_and_what_is_missing(edgekit, plain):
    code, out, _ = edgekit("inspect", plain)
    assert code == 0
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert ["format", "opset 13, IR version 8, which ONNX 1.10.0 introduced; by acme"] in lines
    assert ["input", "float32 nchw 12x14, 3 channels, batch size dynamic"] in lines
    assert ["output", "output float (?, 4), ends in Softmax, so probabilities"] in lines
    assert ["missing", "--mean --std --resize --labels"] in lines
    flags = "--mean R,G,B --std R,G,B --resize PIXELS --labels NAMES.txt"
    assert f"adopt with    edgekit adopt 'my model.onnx' {flags} -o 'my model-edgekit.onnx'" in out.splitlines()


def test_inspect_a_third_party_file_shows_its_configuration_and_a_command_that_works(edgekit, plain):
    Path("labels.txt").write_text("\n".join(LABELS))
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 12, "width": 14}}
    Path("preprocessor_config.json").write_text(json.dumps(processor))
    document = json.loads(edgekit("inspect", plain, "--json")[1])
    assert (document["missing"], document["labels"], document["problems"]) == ([], list(LABELS), [])
    assert "labels: labels.txt" in document["configuration"]
    assert document["preprocess"]["fit"] == "squash"
    assert "preprocess    12x14 RGB, squashed to 12x14, bilinear" in edgekit("inspect", plain)[1].splitlines()
    assert edgekit(*shlex.split(document["command"])[1:])[0] == 0
    assert Classifier("my model-edgekit.onnx").info.labels == LABELS
    assert json.loads(edgekit("inspect", ".", "--json")[1])["path"] == "my model.onnx"  # the adopted one is not meant


def test_inspect_a_third_party_file_shows_what_cannot_be_used(edgekit, plain):
    Path("labels.txt").write_text("one\ntwo\n")
    out = edgekit("inspect", plain)[1]
    assert "not usable    labels.txt: 2 labels for 4 scores" in out.splitlines()
    assert "--labels" in json.loads(edgekit("inspect", plain, "--json")[1])["missing"]
    Path("preprocessor_config.json").write_text('{"image_processor_type": "PerceiverImageProcessor"}')
    problems = json.loads(edgekit("inspect", plain, "--json")[1])["problems"]
    assert problems == [
        "preprocessor_config.json: cannot be reproduced: PerceiverImageProcessor: it crops before it resizes"
    ]
    processor = {"image_processor_type": "ViTImageProcessor", "size": 224}
    Path("preprocessor_config.json").write_text(json.dumps(processor))
    document = json.loads(edgekit("inspect", plain, "--json")[1])
    assert document["problems"] == [
        "labels.txt: 2 labels for 4 scores",
        "my model.onnx: the input size is 12x14, but preprocessor_config.json (ViTImageProcessor) crops to 224x224; "
        "set --crop and --resize",
    ]
    assert (document["configuration"], document["preprocess"]) == ([], None)


def test_inspect_refuses_files_that_are_no_models(mistake, tmp_path):
    (tmp_path / "text.onnx").write_text("text")
    assert mistake("inspect", tmp_path / "text.onnx")[0] == 4
    write_info(b"\x12\x01x", tiny_info(), tmp_path / "no-graph.onnx")
    assert (
        "no-graph.onnx: not an ONNX file: it states no IR version" in mistake("inspect", tmp_path / "no-graph.onnx")[1]
    )
    (tmp_path / "empty").mkdir()
    assert "contains no .onnx file" in mistake("inspect", tmp_path / "empty")[1]


@pytest.mark.parametrize("options", [[], ["--layers"]])
def test_inspect_refuses_every_hostile_model_in_one_line(edgekit, tmp_path, options):
    """Cyclic graphs, graphs without nodes, shapes or operator sets, nested subgraphs, old and unknown versions."""
    models = {f"malformed-{number}": model for number, model in enumerate(malformed_graphs())}
    models |= {name: model for name, model, _ in refused_models() if name.startswith(("if", "loop", "function"))}
    for name, model in models.items():
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        code, _, err = edgekit("inspect", tmp_path / f"{name}.onnx", *options)
        assert code in (0, 4)
        if code:
            assert (len(err.splitlines()), f"{name}.onnx: " in err) == (1, True), err


def test_inspect_an_empty_file_says_so(mistake, tmp_path):
    (tmp_path / "empty.onnx").touch()
    for options in ([], ["--layers"], ["--mobile"], ["--json"]):
        code, line = mistake("inspect", tmp_path / "empty.onnx", *options)
        assert (code, line.endswith("the file is empty\n")) == (4, True)


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
