"""POST /heat-map: the drawing of the network's input and of one class."""

import io

import numpy as np
import pytest
from made_models import LABELS, model_with_maps, write_tiny
from made_serve import call
from PIL import Image

from edgekit import Classifier
from edgekit.image.synthetic import draw_scenes
from edgekit.report.heat_maps import heat_maps
from edgekit.serve import create_app


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models") / "mapped.onnx", model_with_maps())


@pytest.fixture(scope="module")
def photo():
    data = io.BytesIO()
    draw_scenes(1)[0].save(data, "PNG")
    return data.getvalue()


def drawn(reply) -> np.ndarray:
    assert (reply.status, reply.headers["content-type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(reply.body)))


def test_heat_map_is_that_of_the_predicted_class_or_of_the_one_named(model, photo):
    app, classifier = create_app(model), Classifier(model)
    predicted = classifier.predict(photo).top[0].index
    expected = [np.asarray(image) for image in heat_maps(classifier, photo, range(len(LABELS)))]
    assert np.array_equal(drawn(call(app, "POST", "/heat-map", body=photo)), expected[predicted])
    for index in range(len(LABELS)):
        reply = call(app, "POST", f"/heat-map?class={index}&model=mapped", body=photo)
        assert np.array_equal(drawn(reply), expected[index])
    assert not np.array_equal(expected[0], expected[1])


@pytest.mark.parametrize("index", ["4", "-1", "red", "", "1e0", "٣", "9" * 5000])
def test_heat_map_refuses_what_is_no_class(model, photo, index):
    reply = call(create_app(model), "POST", f"/heat-map?class={index}".encode().decode("latin-1"), body=photo)
    assert reply.status == 400
    assert len(reply.error) < 300


def test_heat_map_names_what_is_missing(model, photo, tmp_path):
    plain = write_tiny(tmp_path / "plain.onnx")
    reply = call(create_app(plain), "POST", "/heat-map", body=photo)
    message = "plain has no activation maps; `edgekit export --activation-maps` adds them"
    assert (reply.status, reply.error) == (400, message)
    assert call(create_app(model), "POST", "/heat-map", body=b"no image").status == 422
    assert call(create_app(model), "POST", "/heat-map?top=2", body=photo).status == 400
