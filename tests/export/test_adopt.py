"""adopt: third-party classifiers in many forms become edgekit models with the same outputs."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from made_plain import LABELS, SIZE, plain_model, refused_plain
from onnx import numpy_helper

from edgekit import Classifier, Preprocess
from edgekit.artifact.info import read_info
from edgekit.errors import ArtifactError, SpecError
from edgekit.export.adopt import adopt
from edgekit.export.third_party import read_third_party
from edgekit.files import sha256
from edgekit.image.load import load_image
from edgekit.preprocess.scores import softmax

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=MEAN, std=STD)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def source_outputs(path: Path, pixels: np.ndarray) -> np.ndarray:
    """The outputs of the third-party file, by numpy and onnxruntime; an image fills a fixed batch."""
    session = onnxruntime.InferenceSession(path)
    model_input = session.get_inputs()[0]
    values = (pixels / 255.0 - MEAN) / STD
    if model_input.shape[1] == 3:
        values = values.transpose(0, 3, 1, 2)
    batch_size = model_input.shape[0] if isinstance(model_input.shape[0], int) else 1
    batches = [np.repeat(value[None], batch_size, axis=0).astype(np.float32) for value in values]
    return np.concatenate([session.run(None, {model_input.name: batch})[0][:1] for batch in batches])


@pytest.mark.parametrize("classes", [4, 5], ids=["labeled", "background"])
@pytest.mark.parametrize("end", ["logits", "softmax", "softmax-reshaped", "exp"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_adopt_keeps_the_outputs_of_every_form(layout, end, classes, tmp_path):
    source = saved(tmp_path, plain_model(layout=layout, end=end, classes=classes))
    background = None if classes == 4 else "first"
    adoption = adopt(
        read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS, background=background
    )
    classifier, expected = Classifier(adoption.path), source_outputs(source, PIXELS)
    assert adoption.output_kind == ("logits" if end == "logits" else "probabilities")
    assert adoption.background == (classes == 5)
    assert adoption.batch is None
    logits = classifier.logits(PIXELS)
    if end == "logits":
        np.testing.assert_allclose(logits, expected[:, classes - 4 :], atol=1e-4)
    else:
        probabilities = expected[:, classes - 4 :]
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(softmax(logits), probabilities, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "batch"),
    [
        ({"batch": 1}, None),
        ({"batch": 1, "flatten": "Reshape"}, None),
        ({"batch": 3, "flatten": "Reshape"}, None),
        ({"batch": 1, "flatten": "Reshape-allowzero"}, None),
        ({"opset": 11}, None),
        ({"opset": 9}, None),
        ({"names": ("pixels", "logits")}, None),
        ({"names": ("logits", "normalized")}, None),
    ],
    ids=str,
)
def test_adopt_handles_fixed_batches_old_opsets_and_conflicting_names(changes, batch, tmp_path):
    source = saved(tmp_path, plain_model(**changes))
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.batch == batch
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), source_outputs(source, PIXELS), atol=1e-4)


def test_adopt_reports_a_batch_size_that_cannot_be_made_dynamic(tmp_path):
    model = plain_model(batch=2)
    constant = onnx.numpy_helper.from_array(np.zeros((2, 8), np.float32), "rows_of_two")
    model.graph.initializer.append(constant)
    model.graph.node.insert(4, onnx.helper.make_node("Add", ["flat", "rows_of_two"], ["flat_2"]))
    model.graph.node[5].input[0] = "flat_2"
    source = saved(tmp_path, model)
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.batch == 2
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), source_outputs(source, PIXELS), atol=1e-4)


def test_adopt_with_bgr_reverses_the_channels(tmp_path):
    source = saved(tmp_path, plain_model())
    same_for_all_channels = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
    for bgr in (False, True):
        path = tmp_path / f"{bgr}.onnx"
        adopt(read_third_party(source), path, preprocess=same_for_all_channels, labels=LABELS, bgr=bgr)
    rgb, bgr = (Classifier(tmp_path / f"{bgr}.onnx") for bgr in (False, True))
    np.testing.assert_allclose(bgr.logits(PIXELS), rgb.logits(PIXELS[..., ::-1].copy()), atol=1e-5)
    assert np.abs(bgr.logits(PIXELS) - rgb.logits(PIXELS)).max() > 0.01


def test_adopt_records_the_source_and_leaves_no_trace_of_its_author(tmp_path):
    source = saved(tmp_path, plain_model())
    path = tmp_path / "new.onnx"
    adopt(read_third_party(source), path, preprocess=PREPROCESS, labels=LABELS, license="MIT", model="custom")
    info = read_info(path)
    assert (info.model, info.license, info.labels, info.preprocess) == ("custom", "MIT", LABELS, PREPROCESS)
    assert info.weights_sha256 == info.parent_sha256 == sha256(source.read_bytes())
    assert info.parity["adopt"]["images"] == 16
    assert b"acme" not in path.read_bytes()
    again = tmp_path / "again.onnx"
    adopt(read_third_party(source), again, preprocess=PREPROCESS, labels=LABELS, license="MIT", model="custom")
    assert again.read_bytes() == path.read_bytes()


def test_third_party_with_an_open_size_is_checked_for_the_size_that_it_runs_at(tmp_path, monkeypatch):
    model = plain_model()
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = "size"
    source = read_third_party(saved(tmp_path, model))
    assert source.size is None
    names = source.candidates
    assert len(source.run(PIXELS, PREPROCESS, bgr=False, outputs=names)[names[0]]) == len(PIXELS)
    monkeypatch.setenv("EDGEKIT_MAX_NODE_OPERATIONS", "100")
    with pytest.raises(
        ArtifactError, match=r"third-party\.onnx: refused: .* operations, more than the limit of 1\.0e\+02"
    ):
        source.run(PIXELS, PREPROCESS, bgr=False, outputs=names)


def test_adopt_does_not_replace_its_source(tmp_path):
    source = saved(tmp_path, plain_model())
    before = source.read_bytes()
    with pytest.raises(SpecError, match="would replace the input file"):
        adopt(read_third_party(source), source, preprocess=PREPROCESS, labels=LABELS)
    assert source.read_bytes() == before


REFUSED = {name: (model, reason) for name, model, reason in refused_plain()}


@pytest.mark.parametrize("name", REFUSED)
def test_adopt_raises_in_one_line_for_other_models(name, tmp_path):
    model, reason = REFUSED[name]
    source = saved(tmp_path, model)
    with pytest.raises(ArtifactError, match=rf"third-party\.onnx: .*{reason}") as caught:
        adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "new.onnx").exists()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({}, {"labels": "rgbk"}, "`labels` must be a list of class names"),
        ({}, {"labels": LABELS[:1]}, "at least two class names"),
        ({}, {"labels": LABELS[:2]}, r"`labels` must have .* model's 4 classes \(got 2 names\)"),
        ({"classes": 5}, {"background": "none"}, r"5 classes \(got 4 names\)"),
        ({"classes": 5}, {"labels": LABELS[:2]}, r"5 classes \(got 2 names\)"),
        ({}, {"labels": LABELS[:2], "background": "first"}, r"3 classes after the background class \(got 2 names\)"),
        ({}, {"preprocess": Preprocess(resize=14, crop=14)}, r"`crop` must be .* 12x14 \(got 14x14\)"),
        (
            {},
            {"preprocess": Preprocess(color="L", resize=14, crop=SIZE, mean=0.5, std=0.5)},
            r"`color` must have the 3 channels of the model's input \(got 'L'\)",
        ),
        ({}, {"output_kind": "probabilities"}, "outputs are not probabilities: minimum -.*, rows sum to"),
        ({"end": "percent"}, {}, "probabilities in percent: rows sum to 100; export the model without"),
        ({"end": "softmax"}, {"output_kind": "logits"}, "ends in Softmax and its outputs sum to 1, so"),
    ],
)
def test_adopt_raises_for_options_that_do_not_fit(model, options, message, tmp_path):
    source, path = read_third_party(saved(tmp_path, plain_model(**model))), tmp_path / "new.onnx"
    with pytest.raises(SpecError, match=message):
        adopt(source, path, **{"preprocess": PREPROCESS, "labels": LABELS, **options})
    assert not path.exists()


def test_adopt_detects_float16_weights(tmp_path):
    model = plain_model()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    model.graph.node[0].input[0], model.graph.node[-1].output[0] = "halves", "scores"
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["input"], ["halves"], to=onnx.TensorProto.FLOAT16))
    model.graph.node.append(onnx.helper.make_node("Cast", ["scores"], ["output"], to=onnx.TensorProto.FLOAT))
    source = saved(tmp_path, model)
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.info.precision == "float16"
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), source_outputs(source, PIXELS), atol=1e-2)


def test_adopt_removes_the_background_label_with_its_class(tmp_path):
    source = saved(tmp_path, plain_model(classes=5))
    labels = ("background", *LABELS)
    with_background, without = (
        adopt(
            read_third_party(source), tmp_path / f"{name}.onnx", preprocess=PREPROCESS, labels=labels, background=name
        )
        for name in ("none", "first")
    )
    assert (with_background.info.labels, without.info.labels) == (labels, LABELS)
    all_logits, labeled_logits = (Classifier(adoption.path).logits(PIXELS) for adoption in (with_background, without))
    np.testing.assert_allclose(all_logits[:, 1:], labeled_logits, atol=1e-6)


def test_adopt_and_predict_work_without_torch(tmp_path, without_torch):
    """The child processes have no torch either; the simplifier runs in one."""
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    source = saved(tmp_path, plain_model(end="softmax"))
    options = ("--labels", "names.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")
    output = without_torch("adopt", source, *options)
    assert "third-party.onnx: nchw, probabilities" in output
    assert "simplified by onnxsim" in output
    assert Classifier(tmp_path / "new.onnx").predict(PIXELS[0]).label in LABELS


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory):
    """A labels.csv of 32 calibration and 40 held-out photos."""
    folder, source = tmp_path_factory.mktemp("photos"), shared / "data/imagenet-photos"
    rows = list(csv.DictReader((source / "labels.csv").read_text().splitlines()))[::6][:72]
    lines = [
        f"{source / row['file']},{row['class_index']},{'train' if number < 32 else 'val'}"
        for number, row in enumerate(rows)
    ]
    (folder / "labels.csv").write_text("\n".join(("file,class_index,split", *lines)))
    shutil.copy(source / "imagenet_classes.txt", folder)
    return folder


@pytest.mark.slow
def test_adopt_quantize_and_predict_a_real_model_without_torch(shared, photos, tmp_path, without_torch):
    source, names = shared / "weights/mobilenet_v2_imagenet_plain.onnx", photos / "imagenet_classes.txt"
    preprocess = ("--mean", "0.5", "--std", "0.5", "--resize", "256", "--license", "Apache-2.0")
    output = without_torch("adopt", source, "--labels", names, *preprocess, "-o", "adopted.onnx")
    assert "nchw, logits" in output
    gate = ("--samples", "32", "--max-drop", "10", "--min-speedup", "0")
    without_torch("quantize", "adopted.onnx", "--calibration", photos, *gate, "-o", "int8.onnx")
    golden = np.load(shared / "golden/mobilenet_v2_imagenet_logits.npz")
    paths = [shared / "data/imagenet-photos" / str(name) for name in golden["files"][::10]]
    lines = without_torch("predict", *paths, "--model", "int8.onnx", "--json", "--top", "1").splitlines()
    indexes = [json.loads(line)["top"][0]["index"] for line in lines]
    assert np.mean(np.array(indexes) == golden["logits"][::10].argmax(axis=1)) >= 0.9
    classifier = Classifier(tmp_path / "adopted.onnx")
    for path, expected in list(zip(paths, golden["logits"][::10], strict=True))[:10]:
        pixels = classifier.info.preprocess.pixels(load_image(path))
        np.testing.assert_allclose(classifier.logits(pixels)[0], expected, atol=1e-3)
