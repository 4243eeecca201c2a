"""`edgekit export` from the command line."""

import json
from pathlib import Path

import pytest
from made_models import write_tiny

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.files import sha256

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIP, SEVEN = str(EXAMPLES / "ship.png"), str(EXAMPLES / "seven.png")


def test_export_from_weights_and_from_a_checkpoint_agree(edgekit, tmp_path):
    from safetensors.torch import save_file

    from edgekit.train.checkpoint import Checkpoint, save_checkpoint
    from edgekit.train.recipe import Recipe
    from edgekit.zoo.build import build

    network, labels = build("lenet5"), tuple("0123456789")
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    recipe = Recipe.from_dict({"model": "lenet5"})
    checkpoint = Checkpoint(recipe=recipe, classes=labels, tensors=network.state_dict())
    save_checkpoint(tmp_path / "model.safetensors", checkpoint)
    (tmp_path / "labels.txt").write_text("\n".join(labels))
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    weights = ("--weights", tmp_path / "weights.safetensors", "--labels", tmp_path / "labels.txt")
    assert edgekit("export", "lenet5", *weights, "-o", first)[0] == 0
    assert edgekit("export", tmp_path, "-o", tmp_path / "folder.onnx")[0] == 0
    code, out, err = edgekit("export", tmp_path / "model.safetensors", "-o", second)
    assert code == 0
    assert "10 labels" in out
    assert f"wrote {second}; next: edgekit quantize {second} --calibration DATA\n" in err
    assert f"then: edgekit predict IMAGE --model {second.with_stem('second-int8')}\n" in err
    probabilities = [Classifier(path).predict(SEVEN).probabilities for path in (first, second)]
    assert probabilities[0].tolist() == probabilities[1].tolist()
    assert (tmp_path / "folder.onnx").read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_export_fits_a_temperature_to_a_fifth_of_the_labeled_images(edgekit, tmp_path, write_drawn):
    """LeNet-5 with random weights, on images labeled at a temperature that its logits do not have."""
    import torch
    from safetensors.torch import save_file

    from edgekit.zoo.build import build

    torch.manual_seed(0)
    network = build("lenet5")
    network.head.fc.weight.data *= 30  # so that the classes differ enough for labels to be drawn
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "labels.txt").write_text("\n".join("0123456789"))
    weights = ("--weights", tmp_path / "weights.safetensors", "--labels", tmp_path / "labels.txt")
    model = tmp_path / "model.onnx"
    assert edgekit("export", "lenet5", *weights, "-o", model)[0] == 0
    data = write_drawn(model, 260, temperature=0.5)
    code, out, err = edgekit("export", "lenet5", *weights, "--images", data, "-o", model)
    info = read_info(model)
    assert (code, info.metrics["images"], info.temperature_fit["images"]) == (0, 260, 100)
    assert info.metrics["ece_images"] == 160
    assert info.temperature_fit["interval"][0] < 0.5 < info.temperature_fit["interval"][1]
    assert f"temperature {info.temperature:.3g} (95% interval " in out
    assert "no temperature" not in err
    (evaluated,) = json.loads(edgekit("evaluate", model, data, "--json")[1])["models"]
    assert evaluated["recorded_top1"] == evaluated["top1"]["value"] == info.metrics["top1"]
    assert edgekit("export", "lenet5", *weights, "--images", data, "--no-temperature", "-o", model)[0] == 0
    assert (read_info(model).temperature, read_info(model).metrics["images"]) == (None, 260)
    few = write_drawn(model, 50, temperature=0.5, name="few")
    code, _, err = edgekit("export", "lenet5", *weights, "--images", few, "-o", model)
    assert (code, read_info(model).metrics["images"]) == (0, 50)
    assert "note: no temperature is fitted: it needs 200 labeled images (got 50 images)" in err


def test_export_of_a_file_keeps_its_temperature(edgekit, mistake, tmp_path):
    source, path = write_tiny(tmp_path / "tiny.onnx", temperature=0.7), tmp_path / "batch1.onnx"
    assert edgekit("export", source, "--batch", 1, "-o", path)[0] == 0
    assert read_info(path).temperature == 0.7
    code, err = mistake("export", source, "--no-temperature", "-o", path)
    assert code == 2
    assert "--no-temperature needs a checkpoint or weights" in err


def test_export_refuses_preprocessing_options_for_a_checkpoint(edgekit, tmp_path):
    code, _, err = edgekit("export", "model.safetensors", "--mean", "0.5", "-o", tmp_path / "x.onnx")
    assert code == 2
    assert "leave out --mean" in err


def test_export_with_golden_vectors_replaces_no_list_of_labels(mistake, tiny_artifact, tmp_path):
    labels = tmp_path / "phone.json"
    labels.write_text('["cat", "dog"]')
    code, err = mistake("export", tiny_artifact, "--golden", 2, "-o", tmp_path / "phone.onnx")
    assert code == 2
    assert "phone.json: was not written by edgekit" in err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("phone")] == ["phone.json"]


def test_export_of_a_file_fixes_its_batch_and_writes_golden_vectors_and_ort(edgekit, tiny_artifact, tmp_path):
    path = tmp_path / "phone.onnx"
    code, out, _ = edgekit(
        "export", tiny_artifact, "--batch", 2, "--golden", 2, "--format", "ort", "-o", path, "--json"
    )
    document = json.loads(out)
    beside = ["phone.ort", "phone.required_operators.config", "phone.json", "phone.golden.json", "phone.golden.bin"]
    beside += ["phone-0.jpg", "phone-1.jpg"]
    assert code == 0
    assert [Path(name).name for name in document["beside"]] == beside
    assert all(Path(name).is_file() for name in document["beside"])
    golden = json.loads((tmp_path / "phone.golden.json").read_text())
    assert golden["ort"]["sha256"] == sha256((tmp_path / "phone.ort").read_bytes())
    code, _, err = edgekit("predict", SHIP, "--model", tmp_path / "phone.ort")
    assert (code, err.count("\n")) == (4, 1)
    assert "--trusted" in err
    results = [
        edgekit("predict", SHIP, "--model", model, "--json", *trusted)
        for model, *trusted in ((path,), (tmp_path / "phone.ort", "--trusted"), (tiny_artifact,))
    ]
    assert {result[0] for result in results} == {0}
    probabilities = [[score["probability"] for score in json.loads(result[1])["top"]] for result in results]
    assert probabilities[0] == pytest.approx(probabilities[2], abs=1e-6)
    assert probabilities[1] == pytest.approx(probabilities[2], abs=1e-6)
