import base64
import json
import struct

import numpy as np
import pytest
from made_images import encoded, quadrants
from made_models import LABELS, tiny_logits, tiny_model, write_tiny
from made_serve import call

from edgekit import Classifier, __version__, plan_named
from edgekit.preprocess.scores import softmax
from edgekit.preprocess.scoring import Scoring
from edgekit.serve import ServeSettings, create_app

BATCH = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), np.uint8)
IMAGE = encoded(quadrants(), "PNG")
OTHER = encoded(quadrants(width=30, height=40), "PNG")
MODEL = "/v2/models/tiny"


@pytest.fixture(scope="module")
def app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, max_images=4))
    yield app
    app.state.services.close()


@pytest.fixture(scope="module")
def classifier(tiny_artifact):
    with Classifier(tiny_artifact, threads=1) as classifier:
        yield classifier


def pixels(batch=BATCH, **changes):
    shape, data = list(batch.shape), batch.ravel().tolist()
    return {"name": "pixels", "datatype": "UINT8", "shape": shape, "data": data} | changes


def image(*images):
    data = [base64.b64encode(each).decode() for each in images]
    return {"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}


def infer(app, document, binary=b"", *, path=f"{MODEL}/infer", **headers):
    head = json.dumps(document).encode()
    if binary:
        headers["Inference-Header-Content-Length"] = str(len(head))
    return call(app, "POST", path, body=head + binary, headers=headers)


def outputs(reply):
    """The outputs of a response in JSON, as arrays by name."""
    assert reply.status == 200, reply
    assert reply.headers["content-type"] == "application/json"
    return {output["name"]: np.reshape(output["data"], output["shape"]) for output in reply.json["outputs"]}


def test_server_states_its_extensions_and_health(app):
    extensions = ["binary_tensor_data", "classification"]
    assert call(app, "GET", "/v2").json == {"name": "edgekit", "version": __version__, "extensions": extensions}
    assert call(app, "GET", "/v2/health/live").json == {"live": True}
    assert call(app, "GET", "/v2/health/ready").json == {"ready": True}


def test_model_states_its_inputs_and_outputs(app):
    document = call(app, "GET", MODEL).json
    (version,) = document.pop("versions")
    assert document == {
        "name": "tiny",
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "pixels", "datatype": "UINT8", "shape": [-1, 8, 10, 3]},
            {"name": "image", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 4]},
        ],
    }
    assert call(app, "GET", f"{MODEL}/versions/{version}").json == document | {"versions": [version]}
    assert call(app, "GET", f"{MODEL}/versions/{version}/ready").json == {"name": "tiny", "ready": True}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/ready"])
def test_unknown_models_and_versions_are_not_found(app, path):
    assert call(app, "GET", path.replace("tiny", "tony")).error == "unknown model 'tony'; did you mean tiny?"
    reply = call(app, "GET", path.replace("tiny", "tiny/versions/1"))
    assert reply.status == 404
    assert reply.error.startswith("unknown version of tiny '1'; known: ")


def test_infer_returns_logits_and_probabilities_of_pixels(app):
    values = outputs(infer(app, {"inputs": [pixels()]}))
    expected = tiny_logits(BATCH)
    np.testing.assert_allclose(values["logits"], expected, atol=1e-5)
    np.testing.assert_allclose(values["probabilities"], softmax(expected), atol=1e-5)


def test_infer_predicts_encoded_images_as_the_library_does(app, classifier):
    for crops in ("center", "flip"):
        values = outputs(infer(app, {"inputs": [image(IMAGE, OTHER)], "parameters": {"crops": crops}}))
        for row, data in enumerate((IMAGE, OTHER)):
            prediction = classifier.predict(data, plan=crops)
            assert values["probabilities"][row].tolist() == prediction.probabilities.tolist()
            assert values["logits"][row].tolist() == prediction.logits.astype(np.float32).tolist()


def test_infer_predicts_pixels_of_an_image_as_the_image(app, classifier):
    batch = classifier.info.preprocess.pixels(classifier.load(IMAGE, [plan_named("center")]))
    from_pixels = outputs(infer(app, {"inputs": [pixels(batch)]}))
    from_image = outputs(infer(app, {"inputs": [image(IMAGE)]}))
    assert from_pixels["probabilities"].tolist() == from_image["probabilities"].tolist()


def test_infer_repeats_the_id_and_names_the_model(app):
    reply = infer(app, {"id": "a\u0000é", "inputs": [pixels()]}).json
    assert reply["id"] == "a\u0000é"
    assert reply["model_name"] == "tiny"
    assert [reply["model_version"]] == call(app, "GET", MODEL).json["versions"]
    assert "id" not in infer(app, {"inputs": [pixels()]}).json


def test_infer_returns_the_selected_outputs_in_their_order(app):
    selected = [{"name": "probabilities", "parameters": {"classification": 2}}, {"name": "logits"}]
    first, second = infer(app, {"inputs": [pixels()], "outputs": selected}).json["outputs"]
    assert (first["name"], first["datatype"], first["shape"]) == ("probabilities", "BYTES", [3, 2])
    values = softmax(tiny_logits(BATCH))
    best = [LABELS[row.argmax()] for row in values]
    assert [text.split(":")[2] for text in first["data"][::2]] == best
    assert (second["name"], second["shape"]) == ("logits", [3, 4])


def test_infer_reads_and_writes_binary_data(app):
    fields = pixels(parameters={"binary_data_size": BATCH.size})
    del fields["data"]
    reply = infer(app, {"inputs": [fields], "parameters": {"binary_data_output": True}}, BATCH.tobytes())
    assert reply.headers["content-type"] == "application/octet-stream"
    length = int(reply.headers["inference-header-content-length"])
    logits, probabilities = json.loads(reply.body[:length])["outputs"]
    assert (logits["parameters"], probabilities["parameters"]) == ({"binary_data_size": 48}, {"binary_data_size": 96})
    values = np.frombuffer(reply.body[length : length + 48], "<f4").reshape(3, 4)
    np.testing.assert_allclose(values, tiny_logits(BATCH), atol=1e-5)
    np.testing.assert_allclose(np.frombuffer(reply.body[length + 48 :], "<f8").reshape(3, 4), softmax(values))


def test_infer_reads_encoded_images_as_binary_data(app):
    data = struct.pack("<I", len(IMAGE)) + IMAGE
    fields = {"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(data)}}
    assert outputs(infer(app, {"inputs": [fields]}, data))["probabilities"].shape == (1, 4)


def test_infer_scales_probabilities_by_the_temperature(tmp_path):
    app = create_app(write_tiny(tmp_path / "tiny.onnx", temperature=2.0), settings=ServeSettings(threads=1))
    values = outputs(infer(app, {"inputs": [pixels()]}))["probabilities"]
    np.testing.assert_allclose(values, softmax(tiny_logits(BATCH) / 2), atol=1e-5)
    app.state.services.close()


def test_infer_uses_sigmoids_for_multi_label_models(tmp_path):
    path = write_tiny(tmp_path / "tiny.onnx", tiny_model(), task="multi-label")
    app = create_app(path, settings=ServeSettings(threads=1))
    values = outputs(infer(app, {"inputs": [pixels()]}))["probabilities"]
    expected = Scoring(task="multi-label").probabilities(tiny_logits(BATCH))
    np.testing.assert_allclose(values, expected, atol=1e-5)
    app.state.services.close()


@pytest.mark.parametrize(
    ("document", "status", "reason"),
    [
        ({"inputs": [pixels(name="photo")]}, 400, "unknown input 'photo'; known: image, pixels"),
        ({"inputs": [pixels(datatype="FP32")]}, 400, "`inputs[0].datatype` must be 'UINT8'"),
        ({"inputs": [pixels(BATCH[:, 1:])]}, 400, "must be [N, 8, 10, 3], with N from 1 to 4 (got [3, 7, 10, 3])"),
        ({"inputs": [pixels(np.zeros((5, 8, 10, 3), np.uint8))]}, 413, "more than the limit of 4 images"),
        ({"inputs": [pixels()], "parameters": {"crops": "flip"}}, 400, "`crops` needs the input 'image'"),
        (
            {"inputs": [image(IMAGE)], "parameters": {"crops": 5}},
            400,
            "`crops` must be the name of a crop plan",
        ),
        ({"inputs": [image(IMAGE)], "parameters": {"crops": "x"}}, 400, "'x'"),
        ({"inputs": [image(IMAGE)], "outputs": [{"name": "features"}]}, 400, "unknown `outputs[0]` 'features'"),
        ({"inputs": [image(b"no image")]}, 422, "8 bytes: "),
        ({"inputs": [image(IMAGE, b"")]}, 422, "image[1]: the file is empty"),
    ],
)
def test_infer_refuses_other_requests_in_one_line(app, document, status, reason):
    reply = infer(app, document)
    assert (reply.status, reason in reply.error) == (status, True), reply


@pytest.mark.parametrize("length", ["-1", "x", "", "99999", "9" * 5000, "\xb2", "1.0", "+1"])
def test_infer_refuses_lengths_of_json_that_are_not_within_the_body(app, length):
    headers = {"Inference-Header-Content-Length": length}
    reply = call(app, "POST", f"{MODEL}/infer", body=b"{}", headers=headers)
    assert reply.status == 400
    assert "must be an integer up to the 2 bytes of the body" in reply.error


def test_infer_refuses_an_empty_body(app):
    assert call(app, "POST", f"{MODEL}/infer").status == 400
