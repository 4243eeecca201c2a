"""classify.pyz: it predicts and tests itself where edgekit is not installed."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_environments import ROOT
from made_models import LABELS, tiny_logits, write_tiny
from PIL import Image

from edgekit import Classifier
from edgekit.artifact.info import read_info
from edgekit.bundle.contents import Bundle, BundledModel, write_contents
from edgekit.bundle.python.classify import main
from edgekit.bundle.python.self_test import self_test
from edgekit.bundle.python_bundle import write_python
from edgekit.bundle.write import write_bundle
from edgekit.errors import ArtifactError
from edgekit.files import sha256
from edgekit.hub.built_in import built_in_models
from edgekit.runtime.requirements import installed_version

_PACKAGES = ("numpy", "PIL", "onnxruntime", "flatbuffers", "packaging", "google")


def write(model: Path, folder: Path) -> str:
    folder.mkdir()
    bundled = BundledModel(name=model.stem, data=model.read_bytes(), info=read_info(model))
    bundle = Bundle(models=(bundled,), folder=folder, platform="python")
    write_contents(bundle, images=None, count=8)
    return write_python(bundle, runtime=None)


@pytest.fixture(scope="module")
def pi(tmp_path_factory) -> Path:
    """A bundle of the tiny model."""
    folder = tmp_path_factory.mktemp("made")
    write(write_tiny(folder / "tiny.onnx"), folder / "pi")
    return folder / "pi"


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A folder with the packages that a bundle requires, and without edgekit."""
    folder = tmp_path_factory.mktemp("packages")
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            place = Path(spec.submodule_search_locations[0])
            (folder / name).symlink_to(place)
            for libraries in place.parent.glob(f"{name.lower().replace('pil', 'pillow')}.libs"):
                (folder / libraries.name).symlink_to(libraries)
    return folder


@pytest.fixture
def python(packages, tmp_path):
    """A function: run Python without any package but those in `packages`, in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EDGEKIT"))}

    def run(*arguments: object, path: Path = packages) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *map(str, arguments)]
        variables = {**environment, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    return run


def test_program_predicts_without_edgekit(pi, python, tmp_path):
    assert "No module named 'edgekit'" in python("-c", "import edgekit").stderr
    pixels = np.random.default_rng(0).integers(0, 256, (12, 15, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    done = python(pi / "classify.pyz", "noise.png", "--json")
    assert done.returncode == 0, done.stderr
    top = json.loads(done.stdout)["top"]
    classifier = Classifier(pi.parent / "tiny.onnx")
    expected = classifier.predict(tmp_path / "noise.png").to_dict()["top"]
    assert top == expected
    lines = python(pi / "classify.pyz", "noise.png", "--top", 1).stdout.splitlines()
    assert lines == ["noise.png", f"  {expected[0]['probability']:7.2%}  {expected[0]['label']}"]


def test_program_imports_all_of_edgekit_from_itself(pi, python):
    program = f"""
import runpy, sys
sys.argv = [{str(pi / "classify.pyz")!r}, "--self-test"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print({{m.__file__.partition(".pyz")[0] for n, m in sys.modules.items() if n.partition(".")[0] == "edgekit"}})
"""
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str({str(pi / "classify")})


def test_self_test_passes_in_four_stages_from_any_folder(pi, python):
    done = python(pi / "classify.pyz", "--self-test")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(": 8 of 8")[0] for line in lines] == [
        f"passed  {stage}" for stage in ("decoding", "preprocessing", "network", "labels")
    ]


@pytest.mark.parametrize("name", ["lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_self_test_of_integer_models_finds_no_difference_on_the_same_processor(name, python, tmp_path):
    write(built_in_models()[name], tmp_path / "pi")
    done = python("pi/classify.pyz", "--self-test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "largest difference 0, " in done.stdout


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (
            lambda vector: vector["decoded"].update(sha256="0"),
            "FAILED  decoding: 1 of 2 images decoded byte for byte; different: drawing 0: landscape",
        ),
        (
            lambda vector: vector["logits"].__setitem__(0, 99.0),
            "FAILED  network: 1 of 2 crops within the tolerance of the logits; different: drawing 0: landscape; ",
        ),
        (
            lambda vector: vector["top"].reverse(),
            "FAILED  labels: 1 of 2 images with the same labels in the same order; different: drawing 0: landscape",
        ),
    ],
    ids=["decoding", "network", "labels"],
)
def test_self_test_names_the_image_that_differs(tmp_path, change, failed):
    lines = lines_of_changed(tmp_path, lambda document: change(document["vectors"][0]))
    (line,) = [line for line in lines if line.startswith("FAILED")]
    assert line.startswith(failed)


def test_self_test_continues_with_the_golden_crop_if_an_image_decodes_differently(tmp_path):
    lines = lines_of_changed(tmp_path, lambda document: document["vectors"][1]["decoded"].update(sha256="0"))
    assert "passed  preprocessing: 1 of 1 crops equal byte for byte (1 not judged, because they" in lines[1]
    assert lines[2].startswith("passed  network: 2 of 2 ")
    assert lines[3].startswith("passed  labels: 2 of 2 ")


def test_self_test_finds_pixels_that_differ_by_one_level(tmp_path):
    def change(document):
        pixels = tmp_path / "pi/tiny.golden.bin"
        raw = bytearray(pixels.read_bytes())
        raw[0] ^= 1
        pixels.write_bytes(raw)
        document["input"]["sha256"] = sha256(bytes(raw))

    lines = lines_of_changed(tmp_path, change)
    assert lines[1].startswith("FAILED  preprocessing: 1 of 2 crops equal byte for byte; different: drawing 0")


def lines_of_changed(folder, change):
    """The lines of the self-test of a bundle whose golden vectors were changed."""
    write_bundle([write_tiny(folder / "tiny.onnx")], folder / "pi", platform="python", count=2)
    golden, lines = folder / "pi/tiny.golden.json", []
    document = json.loads(golden.read_text())
    change(document)
    golden.write_text(json.dumps(document))
    with Classifier(folder / "tiny.onnx") as classifier:
        assert not self_test(classifier, golden, write=lines.append)
    assert len(lines) == 4
    return lines


def test_self_test_lets_classes_change_places_only_within_the_tolerance(tmp_path):
    def swap(document):
        vector = document["vectors"][0]
        vector["top"][:2] = vector["top"][1::-1]
        document["tolerance"]["same_kernels"] = tolerance

    for tolerance in (1e-5, 1e3):
        lines = lines_of_changed(tmp_path, lambda document: swap(document) or spoil(document))
        assert lines[3].startswith("FAILED" if tolerance == 1e-5 else "passed")


def spoil(document):
    """Make another stage fail, so that the test as a whole fails."""
    document["vectors"][1]["decoded"]["sha256"] = "0"


@pytest.mark.parametrize("file", ["tiny.golden.json", "tiny.golden.bin", "golden/tiny-1.jpg"])
@pytest.mark.parametrize("damage", [lambda data: data[:-9] + b"x" * 9, lambda data: data[:40], lambda data: b"[]"])
def test_self_test_raises_for_damaged_files(tmp_path, file, damage):
    write_bundle([write_tiny(tmp_path / "tiny.onnx")], tmp_path / "pi", platform="python", count=2)
    damaged = tmp_path / "pi" / file
    damaged.write_bytes(damage(damaged.read_bytes()))
    with Classifier(tmp_path / "tiny.onnx") as classifier, pytest.raises(ArtifactError, match="copy the bundle again"):
        self_test(classifier, tmp_path / "pi/tiny.golden.json", write=print)


def test_self_test_raises_for_another_schema(tmp_path):
    (tmp_path / "golden.json").write_text('{"schema": 5}')
    classifier = Classifier(write_tiny(tmp_path / "tiny.onnx"))
    with pytest.raises(ArtifactError, match="has schema 5, but this program reads schema 4"):
        self_test(classifier, tmp_path / "golden.json", write=print)


def test_program_states_missing_packages_with_the_command(pi, python, tmp_path):
    done = python(pi / "classify.pyz", "x.jpg", path=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: not installed: numpy, onnxruntime, pillow; run: ")
    assert f"-m pip install numpy=={installed_version('numpy')} onnxruntime==" in done.stderr


def test_program_states_which_python_it_needs(pi, python):
    pretend = "import runpy, sys; sys.version_info = (3, 9, 2, 'final', 0)"
    done = python("-c", f"{pretend}; runpy.run_path({str(pi / 'classify.pyz')!r}, None, '__main__')")
    assert (done.returncode, done.stderr) == (1, "error: needs Python 3.11 or later (this is 3.9)\n")


def test_program_reports_unreadable_images_and_goes_on(pi, python, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "black.png")
    (tmp_path / "junk.jpg").write_bytes(b"junk")
    done = python(pi / "classify.pyz", "junk.jpg", "black.png", "absent.jpg")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert [line.partition(": ")[2].partition(":")[0] for line in done.stderr.splitlines()] == [
        "junk.jpg",
        "absent.jpg",
    ]
    assert done.stdout.splitlines()[0] == "black.png"
    assert python(pi / "classify.pyz", "junk.jpg").returncode == 1
    assert python(pi / "classify.pyz").returncode == 2


def test_program_names_the_option_that_is_not_valid(pi, python):
    done = python(pi / "classify.pyz", "--top", 0, "absent.jpg")
    assert (done.returncode, done.stderr) == (1, "error: --top must be an integer from 1 (got 0)\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_program_reports_a_full_disk_in_one_line(pi):
    with open("/dev/full", "w") as full:
        command = [sys.executable, str(pi / "classify.pyz"), "--self-test"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr


def test_program_ends_quietly_when_its_reader_does(pi):
    with subprocess.Popen(
        [sys.executable, str(pi / "classify.pyz"), "--self-test"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)


def test_program_acknowledges_ctrl_c_in_one_line(pi, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgekit.bundle.python.classify._run", interrupt)
    assert (main(["x.jpg"]), capsys.readouterr().err) == (130, "interrupted\n")


def test_program_needs_its_golden_vectors_only_for_the_self_test(pi, python, tmp_path):
    (tmp_path / "classify.pyz").write_bytes((pi / "classify.pyz").read_bytes())
    Image.new("RGB", (20, 20)).save(tmp_path / "black.png")
    assert python("classify.pyz", "black.png").returncode == 0
    done = python("classify.pyz", "--self-test")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "tiny.golden.json: cannot be opened" in done.stderr


def test_program_contains_only_what_predicts(pi):
    with zipfile.ZipFile(pi / "classify.pyz") as archive:
        names = archive.namelist()
    assert names[0] == "__main__.py"
    rooms = {name.split("/")[1] for name in names if name.count("/") > 1}
    assert rooms == {"artifact", "bundle", "hub", "image", "preprocess", "runtime"}
    assert not any("train" in name or "download" in name for name in names)


def test_bundles_of_the_same_model_are_equal(pi, tmp_path):
    write(pi.parent / "tiny.onnx", tmp_path / "again")
    for file in (path for path in pi.rglob("*") if path.is_file()):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(pi)).read_bytes(), file


def test_readme_and_requirements_state_the_versions_of_this_installation(pi):
    requirements = (pi / "requirements.txt").read_text().splitlines()
    assert requirements == [f"{name}=={installed_version(name)}" for name in ("numpy", "onnxruntime", "pillow")]
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert set(requirements) <= set(pinned)
    readme = (pi / "README.md").read_text()
    assert "pip install --requirement requirements.txt" in readme
    assert "--platform manylinux_2_28_aarch64" in readme
    assert not (pi / "tiny.onnx").exists()


def test_multi_label_model_shows_the_labels_of_the_image(tmp_path, monkeypatch, capsys):
    low, high = (write_tiny(tmp_path / f"{t}.onnx", task="multi-label", thresholds=(t,) * 4) for t in (0.001, 0.999))
    Image.fromarray(np.full((20, 20, 3), 70, np.uint8)).save(tmp_path / "gray.png")
    probabilities = 1 / (1 + np.exp(-tiny_logits(np.full((1, 8, 10, 3), 70, np.uint8))[0]))
    for model, thresholds in ((low, 0.001), (high, 0.999)):
        resources = {"model.onnx": model.read_bytes()}
        monkeypatch.setattr("edgekit.bundle.python.classify._resource", resources.__getitem__)
        assert main([str(tmp_path / "gray.png")]) == 0
        shown = {line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]}
        expected = {label for label, p in zip(LABELS, probabilities, strict=True) if p > thresholds}
        assert shown == (expected or {"none"})
