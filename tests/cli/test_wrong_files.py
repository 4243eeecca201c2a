"""A file of the wrong kind is refused with the command to run instead."""

from pathlib import Path

import pytest

SHIP = str(Path(__file__).parents[2] / "examples/ship.png")


@pytest.fixture
def files(tmp_path, monkeypatch, tiny_artifact):
    """A folder with a checkpoint, an image and a model; the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("run 1").mkdir()
    Path("run 1/model.safetensors").write_bytes(b"weights")
    Path("net.pth").write_bytes(b"weights")
    Path("ship.png").write_bytes(Path(SHIP).read_bytes())
    Path("model.onnx").write_bytes(tiny_artifact.read_bytes())


CHECKPOINT = "net.pth: is a PyTorch checkpoint; run `edgekit export net.pth -o model.onnx` first"
IMAGE = "ship.png: is an image, not a model; run `edgekit predict ship.png` to classify it"


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "ship.png", "--model", "FILE"),
        ("quantize", "FILE", "--calibration", "."),
        ("quantize", "model.onnx", "--calibration", ".", "--against", "FILE"),
        ("evaluate", "model.onnx", "FILE", "."),
        ("verify", "model.onnx", "FILE", "."),
        ("crops", "FILE", "."),
        ("bench", "FILE"),
        ("bench", "model.onnx", "--against", "FILE"),
        ("inspect", "FILE"),
        ("adopt", "FILE", "--labels", "l", "--mean", "0", "--std", "1", "--resize", "9", "-o", "new.onnx"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("file", "message"), [("net.pth", CHECKPOINT), ("ship.png", IMAGE)])
def test_model_that_is_a_checkpoint_or_an_image_names_the_command(mistake, files, arguments, file, message):
    command = [file if argument == "FILE" else argument for argument in arguments]
    assert mistake(*command) == (4, f"error: {message}\n")


def test_command_for_a_checkpoint_can_be_copied(mistake, files):
    _, err = mistake("inspect", "run 1/model.safetensors")
    assert "`edgekit export 'run 1/model.safetensors' -o model.onnx`" in err


def test_export_refuses_an_image(mistake, files):
    _, err = mistake("export", "ship.png", "-o", "new.onnx")
    assert err.startswith("error: ship.png: is an image, not a checkpoint")


def test_predict_refuses_models_and_checkpoints_as_images_and_predicts_the_rest(edgekit, files):
    code, out, err = edgekit("predict", "model.onnx", "ship.png", "net.pth", "--model", "model.onnx")
    assert (code, out.count("\n")) == (3, 1)
    assert err.splitlines() == [
        "error: model.onnx: is a model, not an image; run `edgekit predict IMAGE --model model.onnx`",
        "error: net.pth: is a PyTorch checkpoint, not an image; run `edgekit export net.pth -o model.onnx` first",
    ]


def test_missing_file_is_not_called_a_checkpoint(mistake, files):
    code, err = mistake("inspect", "absent.pth")
    assert (code, "checkpoint" in err) == (4, False)


@pytest.mark.parametrize("name", ["a.tar", "a.TGZ", "a.parquet"])
def test_predict_points_files_of_many_images_to_output(edgekit, files, name):
    Path(name).write_bytes(b"many")
    code, _, err = edgekit("predict", name, "--model", "model.onnx")
    assert code == 3
    assert err == f"error: {name}: contains many images; run `edgekit predict {name} --output predictions.jsonl`\n"
