"""A third-party classifier in any form becomes an artifact with the same outputs."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from made_models import write_tiny
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
    path = folder / "plain.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def plain_outputs(path: Path, pixels: np.ndarray) -> np.ndarray:
    """By numpy and onnxruntime alone, one image after the other; as many times as the file takes at a time."""
    session = onnxruntime.InferenceSession(path)
    given = session.get_inputs()[0]
    values = (pixels / 255.0 - MEAN) / STD
    if given.shape[1] == 3:
        values = values.transpose(0, 3, 1, 2)
    times = given.shape[0] if isinstance(given.shape[0], int) else 1
    rows = [np.repeat(value[None], times, axis=0).astype(np.float32) for value in values]
    return np.concatenate([session.run(None, {given.name: row})[0][:1] for row in rows])


@pytest.mark.parametrize("classes", [4, 5], ids=["plain", "background"])
@pytest.mark.parametrize("end", ["logits", "softmax", "softmax-reshaped", "exp"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_every_form_answers_as_the_plain_file(layout, end, classes, tmp_path):
    source = saved(tmp_path, plain_model(layout=layout, end=end, classes=classes))
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    classifier, expected = Classifier(adoption.path), plain_outputs(source, PIXELS)
    assert adoption.output_kind == ("logits" if end == "logits" else "probabilities")
    assert adoption.background == (classes == 5)
    assert adoption.batch is None
    logits = classifier.logits(PIXELS)
    if end == "logits":
        np.testing.assert_allclose(logits, expected[:, classes - 4 :], atol=1e-4)
    else:
        shares = expected[:, classes - 4 :]
        np.testing.assert_allclose(softmax(logits), shares / shares.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "batch"),
    [
        ({"batch": 1}, None),
        ({"batch": 1, "flatten": "Reshape"}, None),
        ({"batch": 3, "flatten": "Reshape"}, None),
        ({"opset": 11}, None),
        ({"opset": 9}, None),
        ({"names": ("pixels", "logits")}, None),
        ({"names": ("logits", "normalized")}, None),
    ],
    ids=str,
)
def test_fixed_batches_old_operators_and_our_own_names_are_no_obstacle(changes, batch, tmp_path):
    source = saved(tmp_path, plain_model(**changes))
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.batch == batch
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), plain_outputs(source, PIXELS), atol=1e-4)


def test_a_batch_that_cannot_be_opened_stays_and_is_said(tmp_path):
    model = plain_model(batch=2)
    constant = onnx.numpy_helper.from_array(np.zeros((2, 8), np.float32), "rows_of_two")
    model.graph.initializer.append(constant)
    model.graph.node.insert(4, onnx.helper.make_node("Add", ["flat", "rows_of_two"], ["flat_2"]))
    model.graph.node[5].input[0] = "flat_2"
    source = saved(tmp_path, model)
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.batch == 2
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), plain_outputs(source, PIXELS), atol=1e-4)


def test_blue_first_is_red_first_with_turned_pixels(tmp_path):
    source = saved(tmp_path, plain_model())
    gray = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
    for bgr in (False, True):
        adopt(read_third_party(source), tmp_path / f"{bgr}.onnx", preprocess=gray, labels=LABELS, bgr=bgr)
    red_first, blue_first = (Classifier(tmp_path / f"{bgr}.onnx") for bgr in (False, True))
    np.testing.assert_allclose(blue_first.logits(PIXELS), red_first.logits(PIXELS[..., ::-1].copy()), atol=1e-5)
    assert np.abs(blue_first.logits(PIXELS) - red_first.logits(PIXELS)).max() > 0.01


def test_the_file_says_where_it_is_from_and_nothing_of_the_stranger(tmp_path):
    source = saved(tmp_path, plain_model())
    path = tmp_path / "new.onnx"
    adopt(read_third_party(source), path, preprocess=PREPROCESS, labels=LABELS, license="MIT", model="theirs")
    info = read_info(path)
    assert (info.model, info.license, info.labels, info.preprocess) == ("theirs", "MIT", LABELS, PREPROCESS)
    assert info.weights_sha256 == info.parent_sha256 == sha256(source.read_bytes())
    assert info.parity["adopt"]["images"] == 16
    assert b"stranger" not in path.read_bytes()
    again = tmp_path / "again.onnx"
    adopt(read_third_party(source), again, preprocess=PREPROCESS, labels=LABELS, license="MIT", model="theirs")
    assert again.read_bytes() == path.read_bytes()


def test_the_plain_file_is_not_replaced(tmp_path):
    source = saved(tmp_path, plain_model())
    before = source.read_bytes()
    with pytest.raises(SpecError, match="would replace the file that it is made from"):
        adopt(read_third_party(source), source, preprocess=PREPROCESS, labels=LABELS)
    assert source.read_bytes() == before


REFUSED = {name: (model, reason) for name, model, reason in refused_plain()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_classifier_is_refused_in_one_line(name, tmp_path):
    model, reason = REFUSED[name]
    source = saved(tmp_path, model)
    with pytest.raises(ArtifactError, match=rf"plain\.onnx: .*{reason}") as caught:
        adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "new.onnx").exists()


def test_an_artifact_needs_no_adoption(tmp_path):
    with pytest.raises(ArtifactError, match="already"):
        read_third_party(write_tiny(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ({}, {"labels": "rgbk"}, "not the text 'rgbk'"),
        ({}, {"labels": LABELS[:1]}, "one class of several, but labels has 1"),
        ({}, {"labels": LABELS[:2]}, "answers 4 classes, but there are 2 labels"),
        ({"classes": 5}, {"background": "none"}, "answers 5 classes, but there are 4 labels"),
        ({"classes": 5}, {"labels": LABELS[:2]}, "answers 5 classes, but there are 2 labels"),
        ({}, {"preprocess": Preprocess(resize=14, crop=14)}, "takes inputs of 12x14, not of the crop's 14x14"),
        ({}, {"preprocess": Preprocess(color="L", resize=14, crop=SIZE, mean=0.5, std=0.5)}, "takes 3 channels"),
        ({}, {"preprocess": Preprocess(resize=14, crop=SIZE, mean=(123.7, 116.8, 103.9))}, "0..1 units"),
        ({}, {"preprocess": Preprocess(resize=14, crop=SIZE, std=58.4)}, "0..1 units"),
        ({}, {"output_kind": "probabilities"}, "no probabilities: they are .* and sum to"),
        ({"end": "percent"}, {}, "always sum to 100: neither logits nor probabilities"),
        ({"end": "softmax"}, {"output_kind": "logits"}, "ends in Softmax, and its answers sum to 1"),
    ],
)
def test_options_that_do_not_fit_say_what_was_found(model, options, said, tmp_path):
    source = saved(tmp_path, plain_model(**model))
    chosen = {"preprocess": PREPROCESS, "labels": LABELS, **options}
    with pytest.raises(SpecError, match=said):
        adopt(read_third_party(source), tmp_path / "new.onnx", **chosen)
    assert not (tmp_path / "new.onnx").exists()


def test_the_layout_is_read_off_the_shape_and_asked_for_where_it_cannot_be(tmp_path):
    assert read_third_party(saved(tmp_path, plain_model(layout="nhwc"))).layout == "nhwc"
    with pytest.raises(SpecError, match=r"\(\?, 12, 14, 3\), which is nhwc, not nchw"):
        read_third_party(tmp_path / "plain.onnx", layout="nchw")
    for layout, channels in (("nchw", 1), ("nhwc", 3)):  # what is said counts for more than what is left open
        sides = plain_model(layout=layout)
        for axis in {1, 2, 3} - {channels}:
            sides.graph.input[0].type.tensor_type.shape.dim[axis].Clear()
        assert read_third_party(saved(tmp_path, sides)).layout == layout
    unsaid = plain_model()
    for dim in unsaid.graph.input[0].type.tensor_type.shape.dim:
        dim.Clear()
    with pytest.raises(SpecError, match="may be nchw or nhwc"):
        read_third_party(saved(tmp_path, unsaid))
    assert read_third_party(tmp_path / "plain.onnx", layout="nchw").size is None


def test_weights_of_half_precision_are_said(tmp_path):
    model = plain_model()
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    model.graph.node[0].input[0], model.graph.node[-1].output[0] = "halves", "scores"
    model.graph.node.insert(0, onnx.helper.make_node("Cast", ["input"], ["halves"], to=onnx.TensorProto.FLOAT16))
    model.graph.node.append(onnx.helper.make_node("Cast", ["scores"], ["output"], to=onnx.TensorProto.FLOAT))
    source = saved(tmp_path, model)
    adoption = adopt(read_third_party(source), tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert adoption.info.precision == "float16"
    np.testing.assert_allclose(Classifier(adoption.path).logits(PIXELS), plain_outputs(source, PIXELS), atol=1e-2)


def test_a_background_label_goes_with_its_class(tmp_path):
    source = saved(tmp_path, plain_model(classes=5))
    labels = ("background", *LABELS)
    kept = adopt(read_third_party(source), tmp_path / "kept.onnx", preprocess=PREPROCESS, labels=labels)
    left = adopt(
        read_third_party(source), tmp_path / "left.onnx", preprocess=PREPROCESS, labels=labels, background="first"
    )
    assert (kept.info.labels, left.info.labels) == (labels, LABELS)
    both = [Classifier(adoption.path).logits(PIXELS) for adoption in (kept, left)]
    np.testing.assert_allclose(both[0][:, 1:], both[1], atol=1e-6)


def test_adopting_and_predicting_go_without_torch(tmp_path, without_torch):
    """Nor do the children that it starts have it: the simplifier runs as well."""
    (tmp_path / "names.txt").write_text("\n".join(LABELS))
    source = saved(tmp_path, plain_model(end="softmax"))
    options = ("--labels", "names.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")
    said = without_torch("adopt", source, *options)
    assert "gives probabilities" in said
    assert "simplified by onnxsim" in said
    assert Classifier(tmp_path / "new.onnx").predict(PIXELS[0]).label in LABELS


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory):
    """A table of 32 photographs to calibrate on and 40 to judge on."""
    folder, given = tmp_path_factory.mktemp("photos"), shared / "data/imagenet-photos"
    rows = list(csv.DictReader((given / "labels.csv").read_text().splitlines()))[::6][:72]
    lines = [
        f"{given / row['file']},{row['class_index']},{'train' if number < 32 else 'val'}"
        for number, row in enumerate(rows)
    ]
    (folder / "labels.csv").write_text("\n".join(("file,class_index,split", *lines)))
    shutil.copy(given / "imagenet_classes.txt", folder)
    return folder


@pytest.mark.slow
def test_the_real_plain_file_adopted_quantized_and_predicted_with_without_torch(
    shared, photos, tmp_path, without_torch
):
    plain, names = shared / "weights/mobilenet_v2_imagenet_plain.onnx", photos / "imagenet_classes.txt"
    normal = ("--mean", "0.5", "--std", "0.5", "--resize", "256", "--license", "Apache-2.0")
    said = without_torch("adopt", plain, "--labels", names, *normal, "-o", "adopted.onnx")
    assert "gives logits" in said
    gate = ("--samples", "32", "--max-drop", "10", "--min-speedup", "0")
    without_torch("quantize", "adopted.onnx", "--calibration", photos, *gate, "-o", "int8.onnx")
    golden = np.load(shared / "golden/mobilenet_v2_imagenet_logits.npz")
    paths = [shared / "data/imagenet-photos" / str(name) for name in golden["files"][::10]]
    answers = without_torch("predict", *paths, "--model", "int8.onnx", "--json", "--top", "1")
    found = [json.loads(line)["top"][0]["index"] for line in answers.splitlines()]
    assert np.mean(np.array(found) == golden["logits"][::10].argmax(axis=1)) >= 0.9
    classifier = Classifier(tmp_path / "adopted.onnx")
    for path, expected in list(zip(paths, golden["logits"][::10], strict=True))[:10]:
        pixels = classifier.info.preprocess.pixels(load_image(path))
        np.testing.assert_allclose(classifier.logits(pixels)[0], expected, atol=1e-3)
