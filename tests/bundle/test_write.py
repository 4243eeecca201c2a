"""write_bundle: what it writes, and what it refuses before it writes anything."""

import dataclasses
import inspect
import json
import shutil
from pathlib import Path
from typing import get_args

import pytest
from made_environments import ROOT
from made_models import tiny_info, tiny_model, write_tiny

from edgekit.bundle.write import PLATFORMS, write_bundle
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, EdgekitError, SpecError


@pytest.fixture
def model(tiny_artifact, tmp_path) -> Path:
    return Path(shutil.copy(tiny_artifact, tmp_path / "tiny.onnx"))


def test_write_bundle_reports_its_files_and_the_self_test(model, tmp_path):
    report = write_bundle([model], tmp_path / "my pi", platform="python", count=2)
    assert report.self_test == f"python '{tmp_path / 'my pi'}'/classify.pyz --self-test"
    files = {path.relative_to(report.folder).as_posix(): path for path in report.folder.rglob("*") if path.is_file()}
    assert {file.name: file.bytes for file in report.files} == {n: p.stat().st_size for n, p in files.items()}
    manifest = json.loads((report.folder / "bundle.json").read_text())
    assert set(manifest["files"]) == set(files) - {"bundle.json"}
    assert json.loads(json.dumps(report.to_dict()))["files"]["classify.pyz"] == files["classify.pyz"].stat().st_size


def test_write_bundle_prints_a_folder_that_is_no_option(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = write_bundle([model], "-x", platform="python", count=1)
    assert report.self_test == "python ./-x/classify.pyz --self-test"


def test_write_bundle_uses_given_images_and_replaces_its_own_bundle(model, tmp_path):
    images = ImageSet(("red",), [str(ROOT / "examples/ship.png")], ("ship.png",), (0,))
    for chosen, expected in ((None, "drawing 0: landscape"), (images, "ship.png")):
        write_bundle([model], tmp_path / "pi", platform="python", images=chosen, count=1)
        golden = json.loads((tmp_path / "pi/tiny.golden.json").read_text())
        assert [vector["image"] for vector in golden["vectors"]] == [expected]


@pytest.mark.parametrize(
    ("file", "name"), [("my model (2).onnx", "my-model-2"), ("模型.onnx", "model"), ("v1.2_a-b.onnx", "v1.2_a-b")]
)
def test_write_bundle_names_files_after_the_model_in_plain_letters(model, tmp_path, file, name):
    write_bundle([model.rename(tmp_path / file)], tmp_path / "pi", platform="python", count=1)
    assert (tmp_path / f"pi/{name}.golden.json").is_file()


def test_write_bundle_accepts_the_name_of_a_model(tmp_path):
    write_bundle(["lenet5-mnist"], tmp_path / "pi", platform="python", count=1)
    assert json.loads((tmp_path / "pi/lenet5-mnist.json").read_text())["model"] == "lenet5"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"platform": "windows"}, "unknown `platform` 'windows'"),
        ({"platform": "web", "bench": True}, "`bench` needs `platform` python"),
        ({"platform": "python", "runtime": "x"}, "`runtime` is not for python"),
        ({"platform": "python", "count": 0}, "`count` must be an integer from 1"),
        ({"platform": "python", "models": []}, "`models` must be a sequence of one or more models"),
        ({"platform": "python", "models": "tiny.onnx"}, "`models` must be a sequence"),
        ({"platform": "python", "models": ["a.onnx", "b.onnx"]}, "a bundle is for one model .* only with `bench`"),
    ],
)
def test_write_bundle_refuses_invalid_arguments(tmp_path, options, message):
    with pytest.raises(SpecError, match=message):
        write_bundle(**{"models": ["tiny.onnx"], "folder": tmp_path / "out", **options})
    assert list(tmp_path.iterdir()) == []


def test_write_bundle_refuses_files_that_are_not_edgekit_models(tmp_path, model):
    plain, ort = tmp_path / "plain.onnx", tmp_path / "tiny.ort"
    plain.write_bytes(tiny_model().SerializeToString())
    ort.write_bytes(b"\x00\x00\x00\x00ORTM" + bytes(100))
    for path, message in ((plain, "run `edgekit adopt`"), (ort, r"pass the \.onnx file"), ("absent.onnx", "absent")):
        with pytest.raises(ArtifactError, match=message):
            write_bundle([path], tmp_path / "out", platform="python")
    assert not (tmp_path / "out").exists()


def test_write_bundle_refuses_what_a_port_cannot_compute(tmp_path):
    spec = dataclasses.replace(tiny_info().preprocess, resampler="tensorflow", interpolation="lanczos")
    path = write_tiny(tmp_path / "exotic.onnx", preprocess=spec)
    with pytest.raises(SpecError, match=r"exotic\.onnx: the ios port .* has no interpolation lanczos"):
        write_bundle([path], tmp_path / "out", platform="ios")
    write_bundle([path], tmp_path / "out", platform="python", count=1)


def test_write_bundle_refuses_a_fixed_batch_except_for_python(tmp_path):
    four = tiny_model()
    four.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    path = write_tiny(tmp_path / "four.onnx", four)
    with pytest.raises(SpecError, match=r"batch size is fixed to 4.*run `edgekit export .*--batch 1"):
        write_bundle([path], tmp_path / "out", platform="node")
    write_bundle([path], tmp_path / "out", platform="python", count=1)


def test_write_bundle_refuses_two_models_of_one_name(tmp_path, model):
    (tmp_path / "other").mkdir()
    twin = shutil.copy(model, tmp_path / "other/Tiny.onnx")
    with pytest.raises(SpecError, match="two of the models would be called"):
        write_bundle([model, twin], tmp_path / "kit", platform="python", bench=True)


def test_write_bundle_leaves_nothing_after_an_error(tmp_path, model):
    taken = model.rename(tmp_path / "bundle.onnx")
    with pytest.raises(SpecError, match=r"bundle\.json.*rename the model file"):
        write_bundle([taken], tmp_path / "out", platform="python", count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.onnx"]


def test_write_bundle_reports_a_full_disk_in_one_line(tmp_path, model, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgekit.bundle.write.write_contents", full)
    with pytest.raises(EdgekitError, match=r"out: cannot be written: No space left on device$"):
        write_bundle([model], tmp_path / "out", platform="python")


def test_platforms_are_those_of_the_command_line():
    from edgekit.cli.bundle import run

    declared = inspect.signature(run, eval_str=True).parameters["platform"].annotation
    assert set(get_args(get_args(declared)[0])) == set(PLATFORMS)
