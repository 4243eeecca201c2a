"""`edgekit export` from the command line."""

import json
from pathlib import Path

import pytest

from edgekit import Classifier

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
    code, out, err = edgekit("export", tmp_path / "model.safetensors", "-o", second)
    assert code == 0
    assert "10 labels" in out
    assert f"next: edgekit predict IMAGE --model {second}" in err
    probabilities = [Classifier(path).predict(SEVEN).probabilities for path in (first, second)]
    assert probabilities[0].tolist() == probabilities[1].tolist()


def test_export_refuses_preprocessing_options_for_a_checkpoint(edgekit, tmp_path):
    code, _, err = edgekit("export", "model.safetensors", "--mean", "0.5", "-o", tmp_path / "x.onnx")
    assert code == 2
    assert "leave out --mean" in err


def test_export_of_a_file_fixes_its_batch_and_writes_golden_vectors_and_ort(edgekit, tiny_artifact, tmp_path):
    path = tmp_path / "phone.onnx"
    code, out, _ = edgekit(
        "export", tiny_artifact, "--batch", 2, "--golden", 2, "--format", "ort", "-o", path, "--json"
    )
    document = json.loads(out)
    beside = ["phone.golden.json", "phone.golden.bin", "phone.ort", "phone.required_operators.config"]
    assert code == 0
    assert [Path(name).name for name in document["beside"]] == beside
    assert all(Path(name).is_file() for name in document["beside"])
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
