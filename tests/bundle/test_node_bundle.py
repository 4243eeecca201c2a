"""The Node bundle: its command, its self-test, and what both do without npm packages."""

import json
import subprocess

import numpy as np
import pytest
from made_javascript import SCRIPTS, node, photographs, run_node, write_node_bundle
from made_models import tiny_info, write_tiny

from edgekit import Classifier, load_image
from edgekit.artifact.info import read_info
from edgekit.bundle.contents import Bundle, BundledModel
from edgekit.bundle.node_bundle import PACKAGE, runtime_version, write_node
from edgekit.errors import SpecError
from edgekit.files import sha256
from edgekit.hub.model_files import model_path
from edgekit.image.synthetic import draw_scenes
from edgekit.preprocess.scores import softmax, with_temperature
from edgekit.runtime import targets
from edgekit.runtime.targets import TARGETS, session_settings

STAGES = ("decoding", "preprocessing", "network", "labels")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Node bundle of the tiny model, with the packages of the tests."""
    root = tmp_path_factory.mktemp("node")
    return write_node_bundle(write_tiny(root / "tiny.onnx"), root / "bundle")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The same without any package."""
    node()
    root = tmp_path_factory.mktemp("bare")
    return write_node_bundle(write_tiny(root / "tiny.onnx"), root / "bundle", linked=False)


def run_code(code):
    """Run a module from a string; returns the document that it prints."""
    done = subprocess.run([node(), "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_classify_prints_a_document_for_each_image(folder, tmp_path):
    paths = [tmp_path / name for name in ("scene.png", "gray.jpg", "scene.ppm", "gray.pgm")]
    scene = draw_scenes(1)[0]
    for path, image in zip(paths, (scene, scene.convert("L")) * 2, strict=True):
        image.save(path)
    documents = lines(run_node(folder / "classify.mjs", *map(str, paths)))
    for path, document in zip(paths, documents, strict=True):
        expected = Classifier(folder / "tiny.onnx", exact=True).predict(path)
        assert document["path"] == str(path)
        assert [score["label"] for score in document["top"]] == [score.label for score in expected.top[:5]]
        probabilities = [score["probability"] for score in document["top"]]
        assert probabilities == pytest.approx([score.probability for score in expected.top[:5]], abs=1e-6)


def test_classify_continues_after_an_image_that_cannot_be_read(folder, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "short.ppm").write_bytes(b"P6 2 2 255\n123")
    draw_scenes(1)[0].save(tmp_path / "good.png")
    names = ("broken.jpg", "absent.jpg", "short.ppm", "good.png")
    documents = lines(run_node(folder / "classify.mjs", *(str(tmp_path / name) for name in names), status=3))
    assert ["error" in document for document in documents] == [True, True, True, False]
    assert documents[2]["error"] == "the file has 14 bytes, but its header announces 23"


def test_classify_without_arguments_prints_its_usage(folder):
    done = subprocess.run([node(), folder / "classify.mjs"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: node classify.mjs IMAGE...\n")


@pytest.mark.parametrize("program", ["classify.mjs", "selftest.mjs"])
def test_programs_name_the_command_that_installs_a_missing_runtime(bare, program):
    done = subprocess.run([node(), bare / program, "photo.jpg"], capture_output=True, text=True)
    command = "ONNXRUNTIME_NODE_INSTALL=skip npm install"
    assert done.stderr == f"onnxruntime-node cannot be loaded; in the folder of the bundle, run: {command}\n"
    assert done.returncode == 1


def test_classify_without_sharp_reads_pixels_and_names_what_to_install(bare, tmp_path):
    packages = bare / "node_modules"
    packages.mkdir()
    for name in (PACKAGE, "onnxruntime-common"):
        (packages / name).symlink_to(SCRIPTS / "node_modules" / name)
    scene = draw_scenes(1)[0]
    for name in ("scene.jpg", "scene.ppm"):
        scene.save(tmp_path / name)
    printed = run_node(bare / "classify.mjs", str(tmp_path / "scene.jpg"), str(tmp_path / "scene.ppm"), status=3)
    failed, read = lines(printed)
    assert failed["error"].startswith("sharp cannot be loaded; in the folder of the bundle, run: npm install sharp")
    assert read["top"][0]["label"] == Classifier(bare / "tiny.onnx", exact=True).predict(scene).label


def test_self_test_passes_stage_by_stage(folder):
    stages = run_node(folder / "selftest.mjs").splitlines()
    assert all(stage.startswith(f"passed  {name}: 8 of 8 ") for name, stage in zip(STAGES, stages, strict=True))


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda golden: golden["vectors"][1]["decoded"].update(sha256="0" * 64), ["decoding"]),
        (lambda golden: golden["vectors"][2]["jpeg"].update(sha256="0" * 64), ["decoding"]),
        (lambda golden: golden["preprocess"].update(pad=3), ["preprocessing"]),
        (lambda golden: golden["vectors"][0]["logits"].append(0.0), ["network"]),
        (lambda golden: golden["vectors"][0]["logits"].__setitem__(0, 50.0), ["network"]),
        (lambda golden: golden["vectors"][0]["top"].reverse(), ["labels"]),
    ],
)
def test_self_test_names_the_stage_that_differs(change, failed, folder):
    path = folder / "tiny.golden.json"
    original = path.read_text()
    golden = json.loads(original)
    change(golden)
    path.write_text(json.dumps(golden))
    try:
        stages = run_node(folder / "selftest.mjs", status=1).splitlines()
    finally:
        path.write_text(original)
    different = [stage.split()[1].rstrip(":") for stage in stages if stage.startswith("FAILED")]
    assert [name for name in different if name != "labels"] == [name for name in failed if name != "labels"]
    assert set(failed) <= set(different)
    assert len(stages) == 4


def test_multi_label_scores_are_those_of_python(tmp_path):
    info = tiny_info(task="multi-label", thresholds=(0.2, 0.5, 0.7, 0.5))
    model = write_tiny(tmp_path / "many.onnx", task=info.task, thresholds=info.thresholds)
    folder = write_node_bundle(model, tmp_path / "bundle")
    draw_scenes(1)[0].save(tmp_path / "scene.png")
    (document,) = lines(run_node(folder / "classify.mjs", str(tmp_path / "scene.png")))
    expected = Classifier(model, exact=True).predict(tmp_path / "scene.png")
    probabilities = {score["label"]: score["probability"] for score in document["top"]}
    assert probabilities == pytest.approx({score.label: score.probability for score in expected.top}, abs=1e-6)
    assert [score["label"] for score in document["labels"]] == [score.label for score in expected.labels]


def node_logits(folder, photos):
    """The logits of photos, decoded and cut by the modules of a bundle."""
    code = f"""
        const {{ readFile }} = await import("node:fs/promises");
        const {{ openClassifier }} = await import("{folder}/bundle.mjs");
        const {{ decodeImage }} = await import("{folder}/decode.mjs");
        const classifier = await openClassifier();
        const rows = [];
        for (const path of {json.dumps([str(photo) for photo in photos])}) {{
          const image = await decodeImage(await readFile(path), classifier.description.preprocess);
          rows.push([...(await classifier.predict(image)).logits]);
        }}
        console.log(JSON.stringify(rows));
    """
    return np.array(run_code(code), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tolerance"), [("efficientnet_lite0-imagenet", 1e-4), ("efficientnet_lite0-imagenet-int8", 0)]
)
def test_node_predicts_photographs_as_python_does(name, tolerance, shared, tmp_path):
    model, photos = model_path(name), photographs(shared, 30)
    folder = write_node_bundle(model, tmp_path / "bundle", count=1)
    classifier = Classifier(model)
    pixels = [classifier.info.preprocess.pixels(load_image(photo)) for photo in photos]
    expected = np.concatenate([classifier.logits(crop) for crop in pixels])
    logits = node_logits(folder, photos)
    assert (logits.argmax(1) == expected.argmax(1)).all()
    assert np.abs(logits - expected).max() <= tolerance


def test_write_node_refuses_a_runtime(tiny_artifact, tmp_path):
    model = BundledModel(name="tiny", data=tiny_artifact.read_bytes(), info=read_info(tiny_artifact))
    with pytest.raises(SpecError, match="`runtime` is not for node: npm installs onnxruntime-node; leave it out"):
        write_node(Bundle(models=(model,), folder=tmp_path, platform="node"), runtime=tmp_path)


def test_packages_are_those_of_the_tests():
    tested = json.loads((SCRIPTS / "package.json").read_text())["dependencies"]
    bundled = json.loads((SCRIPTS.parents[1] / "edgekit" / "bundle" / "node" / "package.json").read_text())
    packages = bundled["dependencies"] | bundled["optionalDependencies"]
    assert packages == {name: tested[name] for name in packages}
    assert runtime_version() == tested[PACKAGE]


@pytest.mark.parametrize("features", [["avx2"], ["avx2", "avx512_vnni"]])
@pytest.mark.parametrize("target", [None, *TARGETS])
def test_session_options_are_those_of_python(target, features, folder, monkeypatch):
    monkeypatch.setattr(targets, "int8_features", lambda: features)
    monkeypatch.setattr(targets.platform, "machine", lambda: "x86_64")
    arguments = f"{json.dumps(target)}, {json.dumps('avx512_vnni' in features)}"
    code = f"const {{ sessionOptions }} = await import('{folder}/js/classifier.js');"
    code += f"console.log(JSON.stringify(sessionOptions({arguments})))"
    settings = {f"session.{name}": value for name, value in run_code(code)["extra"]["session"].items()}
    assert settings == session_settings(target)


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000])
def test_portable_sha256_is_that_of_hashlib(size, folder):
    data = np.random.default_rng(size).bytes(size)
    code = f"const {{ portableSha256 }} = await import('{folder}/js/sha256.js');"
    assert run_code(f"{code} console.log(JSON.stringify(portableSha256(Uint8Array.from({list(data)}))))") == sha256(
        data
    )


def test_scores_use_the_temperature_and_do_not_overflow(folder):
    logits = np.array([1000.0, 998.0, -1000.0, 998.0], np.float32)
    code = f"const {{ rankedScores }} = await import('{folder}/js/scores.js');"
    code += "const d = { task: 'single-label', labels: ['a', 'b', 'c', 'd'], temperature: 2, thresholds: null };"
    code += f"console.log(JSON.stringify(rankedScores(Float32Array.from({logits.tolist()}), d)))"
    scores, expected = run_code(code), with_temperature(softmax(logits), 2)
    assert [score["index"] for score in scores] == [0, 1, 3, 2]  # equal ones in the order of their indexes
    assert [score["probability"] for score in scores] == pytest.approx(expected[[0, 1, 3, 2]].tolist(), abs=1e-12)
    assert [score["assigned"] for score in scores] == [True, False, False, False]
