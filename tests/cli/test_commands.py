"""The command line as its users see it: stdout, stderr, exit code."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_models import write_tiny
from PIL import Image

from edgekit import Classifier, __version__
from edgekit.zoo.specs import SPECS

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIP, SEVEN = str(EXAMPLES / "ship.png"), str(EXAMPLES / "seven.png")
ADOPTING = ("--labels", "l.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")
COMMANDS = (
    "models",
    "train",
    "export",
    "adopt",
    "quantize",
    "verify",
    "predict",
    "evaluate",
    "crops",
    "bench",
    "inspect",
    "doctor",
)


def test_version(edgekit):
    assert edgekit("--version") == (0, f"edgekit {__version__}\n", "")


def test_help_lists_every_command(edgekit):
    code, out, _ = edgekit("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(edgekit, command):
    code, out, _ = edgekit(command, "--help")
    assert code == 0
    assert f"edgekit {command}" in out.partition("Examples")[2]


def test_unknown_option_is_a_usage_error(edgekit):
    assert edgekit("predict", "--nonsense", SHIP)[0] == 2


def test_predict_one_picture_shows_five_classes_best_first(edgekit):
    code, out, err = edgekit("predict", SEVEN, "--model", "lenet5-mnist")
    lines = out.splitlines()
    assert (code, err, lines[0], len(lines)) == (0, "", SEVEN, 6)
    assert lines[1].split()[0] == "7"


def test_predict_many_pictures_is_a_line_each_in_order(edgekit):
    code, out, _ = edgekit("predict", SEVEN, SHIP, SEVEN, "--model", "lenet5-mnist")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [SEVEN, SHIP, SEVEN]


def test_predict_json_is_what_the_library_answers(edgekit, tiny_artifact):
    code, out, _ = edgekit("predict", SHIP, "--model", tiny_artifact, "--json", "--top", 2, "--crops", 10)
    document = json.loads(out)
    assert code == 0
    assert document == {
        "schema": 1,
        "path": SHIP,
        **Classifier(tiny_artifact).predict(SHIP, top=2, plan="ten").to_dict(),
    }


def test_a_picture_that_fails_is_one_line_and_the_others_are_answered(edgekit, tiny_artifact, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not a picture")
    code, out, err = edgekit("predict", SHIP, broken, "missing.png", SHIP, "--model", tiny_artifact)
    assert code == 3
    assert len(out.splitlines()) == 2
    assert len(err.splitlines()) == 2
    assert str(broken) in err
    assert "missing.png" in err


def test_failures_in_json_keep_their_place(edgekit, tiny_artifact):
    code, out, err = edgekit("predict", "missing.png", SHIP, "--model", tiny_artifact, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (3, "")
    assert lines[0]["error"]["type"] == "ImageError"
    assert "missing.png" in lines[0]["error"]["message"]
    assert lines[1]["top"]


def test_all_pictures_failed_is_three_as_well(edgekit, tiny_artifact):
    assert edgekit("predict", "missing.png", "--model", tiny_artifact)[0] == 3


def test_dash_reads_stdin(edgekit, tiny_artifact, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(Path(SHIP).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = edgekit("predict", "-", "--model", tiny_artifact, "--json")
    assert code == 0
    assert json.loads(out)["top"] == Classifier(tiny_artifact).predict(SHIP).to_dict()["top"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("predict", SHIP, "--model", "lenet5-mnits"), 4, "did you mean lenet5-mnist"),
        (("predict", SHIP, "--model", "missing.onnx"), 4, "missing.onnx"),
        (("predict", SHIP, "--model", SHIP), 4, "ship.png"),
        (("predict", SHIP, "--model", "lenet5-mnist", "--crops", "7"), 2, "unknown crop plan '7'"),
        (("inspect", "missing.onnx"), 4, "missing.onnx"),
        (("export", "mobilenet_v2", "-o", "x.onnx"), 2, "--weights"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "-o", "x.onnx"), 2, "--labels"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "--mean", "a,b", "-o", "x.onnx"), 2, "mean"),
        (("export", "mobilenet_v2", "--weights", "imagenet", "--argument", "x", "-o", "x.onnx"), 2, "NAME=VALUE"),
        (("export", "missing.safetensors", "-o", "x.onnx"), 4, "missing.safetensors"),
        (("export", "mobilenet_v3", "--weights", "w.pth", "--labels", "l.txt", "-o", "x.onnx"), 2, "mobilenet_v2"),
        (("export", "missing.onnx", "-o", "x.onnx"), 4, "missing.onnx"),
        (("export", "x.onnx", "--opset", "20", "--mean", "0.5", "-o", "y.onnx"), 2, "leave out --mean --opset"),
        (("export", "x.onnx", "--batch", "0", "-o", "y.onnx"), 2, "batch must be 1 to 256 pictures"),
        (("export", "x.onnx", "--batch", "many", "-o", "y.onnx"), 2, "--batch is dynamic or a number"),
        (("export", "x.onnx", "--format", "ort", "-o", "y.ort"), 2, "y.ort: the file to write must end in .onnx"),
        (("export", "x.onnx", "-o", "/dev/null/y.onnx"), 1, "y.onnx: cannot be written: not into /dev/null"),
        (("adopt", "x.onnx", *ADOPTING[:-1], "y"), 2, "y: the file to write must end in .onnx"),
        (("quantize", "x.onnx", "--calibration", "x", "-o", "y.json"), 2, "the file to write must end in .onnx"),
        (("adopt", "x.onnx", *ADOPTING), 4, "x.onnx"),
        (("inspect", "missing.onnx", "--mobile"), 4, "missing.onnx"),
        (("train", "missing", "--model", "lenet5", "--run", "run"), 1, "missing"),
        (("quantize", "missing.onnx", "--calibration", "missing", "-o", "x.onnx"), 1, "missing"),
    ],
)
def test_a_careless_user_gets_one_line_and_a_code(edgekit, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    found, out, err = edgekit(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_labels_cannot_steer_the_terminal(edgekit, tmp_path):
    labels = ("\x1b[31mred", "two\nlines", "\x07bell", "‮right to left")
    model = write_tiny(tmp_path / "evil.onnx", labels=labels)
    for command in (("predict", SHIP, "--model", model), ("inspect", model)):
        code, out, _ = edgekit(*command)
        assert code == 0
        assert not set("\x1b\x07‮") & set(out)
        assert "\\x1b[31mred" in out


def test_models_lists_the_zoo_and_what_ships(edgekit):
    code, out, _ = edgekit("models")
    assert code == 0
    assert all(name in out for name in SPECS)
    assert "lenet5-mnist-int8" in out


def test_models_filters_and_speaks_json(edgekit):
    code, out, _ = edgekit("models", "lenet5", "--json")
    document = json.loads(out)
    assert code == 0
    assert [network["name"] for network in document["networks"]] == ["lenet5"]
    assert {model["name"] for model in document["shipped"]} == {"lenet5-mnist", "lenet5-mnist-int8"}


def test_inspect_shows_what_the_file_says(edgekit, tiny_artifact):
    info = Classifier(tiny_artifact).info
    assert json.loads(edgekit("inspect", tiny_artifact, "--json")[1]) == info.to_dict()
    code, out, _ = edgekit("inspect", tiny_artifact)
    assert code == 0
    assert all(text in out for text in (info.licence, str(info.preprocess.crop), ", ".join(info.labels)))


def test_inspect_says_by_what_a_file_was_made(edgekit):
    out = edgekit("inspect", "lenet5-mnist-int8")[1]
    steps = [line.split()[0] for line in out.splitlines() if line.split()[0] in ("to_onnx", "simplify", "quantize")]
    assert steps == ["to_onnx", "simplify", "quantize"]
    assert "by onnxsim" in out
    assert "by int8 for " in out
    assert "bilinear, padded by 2" in out


def test_models_says_who_has_official_weights(edgekit):
    networks = {n["name"]: n["weights"] for n in json.loads(edgekit("models", "--json")[1])["networks"]}
    assert networks["resnet50"]["url"].startswith("https://")
    assert networks["plain34"] is None


@pytest.mark.parametrize("model", ["lenet5", "lenet5-mnist", "lenet5-mnist-int8"])
def test_layers_of_a_network_and_of_its_files_cost_the_same(edgekit, model):
    document = json.loads(edgekit("inspect", model, "--layers", "--json")[1])
    assert document["total"]["macs"] == SPECS["lenet5"].macs
    assert document["total"]["macs"] == sum(layer["macs"] for layer in document["layers"])
    assert document["layers"][-1]["output"] == [10]
    code, out, _ = edgekit("inspect", model, "--layers")
    assert code == 0
    assert out.splitlines()[-1].split()[-1] == f"{SPECS['lenet5'].macs:,}"


def test_layers_of_a_strangers_file(edgekit, shared):
    plain = shared / "weights/mobilenet_v2_imagenet_plain.onnx"
    document = json.loads(edgekit("inspect", plain, "--layers", "--json")[1])
    assert document["total"]["macs"] == SPECS["mobilenet_v2"].macs
    assert edgekit("inspect", plain)[0] == 4  # it says nothing of itself


def test_inspect_a_network(edgekit):
    code, out, _ = edgekit("inspect", "resnet18")
    assert code == 0
    assert "1512.03385" in out
    assert json.loads(edgekit("inspect", "resnet18", "--json")[1])["parameters"] == SPECS["resnet18"].parameters


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
    assert f"next: edgekit predict PICTURE --model {second}" in err
    answers = [Classifier(path).predict(SEVEN).probabilities for path in (first, second)]
    assert answers[0].tolist() == answers[1].tolist()


def test_a_checkpoint_brings_its_own_preprocessing(edgekit, tmp_path):
    code, _, err = edgekit("export", "model.safetensors", "--mean", "0.5", "-o", tmp_path / "x.onnx")
    assert code == 2
    assert "leave out --mean" in err


def test_a_closed_pipe_is_no_traceback(tiny_artifact):
    command = [sys.executable, "-m", "edgekit", "predict", *[SHIP] * 50, "--model", str(tiny_artifact)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_a_terminal_of_ascii_is_enough(tiny_artifact):
    command = [sys.executable, "-m", "edgekit", "predict", SHIP, "--model", str(tiny_artifact)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_gray_and_tiny_pictures_are_no_error(edgekit, tiny_artifact, tmp_path):
    path = tmp_path / "gray.png"
    Image.new("L", (1, 3), 77).save(path)
    assert edgekit("predict", path, "--model", tiny_artifact)[0] == 0


def test_adopt_says_what_it_found_and_the_file_predicts(edgekit, tmp_path, monkeypatch):
    from made_plain import LABELS, plain_model

    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model(end="softmax", classes=5).SerializeToString())
    Path("l.txt").write_text("\n".join(LABELS))
    code, out, err = edgekit("adopt", "plain.onnx", *ADOPTING, "--licence", "MIT")
    assert code == 0
    assert "plain.onnx: nchw 12x14, gives probabilities, its first class left out" in out
    assert "any number of pictures at a time" in out
    assert "next: edgekit quantize new.onnx" in err
    assert edgekit("predict", SHIP, "--model", "new.onnx")[0] == 0
    document = json.loads(edgekit("adopt", "plain.onnx", *ADOPTING, "--activation-maps", "--json")[1] or "null")
    assert document is None  # the background's weights stand between the maps and the logits
    document = json.loads(edgekit("adopt", "plain.onnx", *ADOPTING, "--name", "theirs", "--json")[1])
    assert (document["output_kind"], document["background"], document["batch"]) == ("probabilities", True, None)
    assert document["info"]["model"] == "theirs"
    Path("l.txt").write_text("one\ntwo\n")
    code, _, err = edgekit("adopt", "plain.onnx", *ADOPTING)
    assert (code, err.count("\n")) == (2, 1)
    assert "answers 5 classes, but there are 2 labels" in err


def test_export_of_a_file_fixes_its_batch_and_writes_what_goes_beside(edgekit, tiny_artifact, tmp_path):
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
    answers = [
        edgekit("predict", SHIP, "--model", model, "--json", *trusted)
        for model, *trusted in ((path,), (tmp_path / "phone.ort", "--trusted"), (tiny_artifact,))
    ]
    assert {answer[0] for answer in answers} == {0}
    shares = [[score["probability"] for score in json.loads(answer[1])["top"]] for answer in answers]
    assert shares[0] == pytest.approx(shares[2], abs=1e-6)
    assert shares[1] == pytest.approx(shares[2], abs=1e-6)


def test_inspect_says_what_phones_would_not_take(edgekit, tiny_artifact):
    code, out, _ = edgekit("inspect", tiny_artifact, "--mobile")
    assert code == 0
    assert "NNAPI" in out
    assert "onnxruntime 1." in out.splitlines()[-1]
    document = json.loads(edgekit("inspect", tiny_artifact, "--mobile", "--json")[1])
    assert document["providers"][0]["provider"] == "NNAPI"
    assert all(row["taken"] <= row["nodes"] for row in document["providers"])
