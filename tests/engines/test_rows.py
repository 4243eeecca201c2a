import pickle

import numpy as np
import pyarrow
import pytest
from made_tags import write_tags

from edgekit import Classifier, Ensemble, ImageError, SpecError
from edgekit.engines.rows import RowPredictor


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (20, 30 + n, 3), np.uint8) for n in range(3)]


def test_columns_have_what_predict_returns(tiny_artifact, images):
    columns = RowPredictor(tiny_artifact, top=2, plan="flip").columns([*images, b"broken"])
    with Classifier(tiny_artifact) as classifier:
        predictions = [classifier.predict(image, top=2, plan="flip") for image in images]
        with pytest.raises(ImageError) as caught:
            classifier.predict(b"broken")
    assert columns == {
        "label": [*(prediction.label for prediction in predictions), None],
        "probability": [*(prediction.probability for prediction in predictions), None],
        "top": [*(prediction.to_dict()["top"] for prediction in predictions), None],
        "error": [None, None, None, str(caught.value)],
    }


def test_columns_of_a_multi_label_model_have_its_labels(images, tmp_path):
    model = write_tags(tmp_path / "tags.onnx")
    predictor = RowPredictor(model)
    columns = predictor.columns([*images, b"broken"])
    with Classifier(model) as classifier:
        expected = [classifier.predict(image).to_dict()["labels"] for image in images]
    assert columns["labels"] == [*expected, None]
    assert list(predictor.arrow_types()) == ["label", "probability", "top", "labels", "error"]
    for name, kind in predictor.arrow_types().items():
        assert pyarrow.array(columns[name], kind).to_pylist() == columns[name]


def test_channels_and_unknown_below_are_those_of_predict(tiny_artifact, images):
    columns = RowPredictor(tiny_artifact, channels="BGR", unknown_below=1).columns(
        [image[..., ::-1] for image in images]
    )
    rgb = RowPredictor(tiny_artifact).columns(images)
    assert columns["probability"] == rgb["probability"]
    assert columns["label"] == ["unknown"] * 3


def test_pickled_predictor_predicts_the_same(tiny_artifact, images):
    predictor = RowPredictor(tiny_artifact.read_bytes(), top=1)
    assert pickle.loads(pickle.dumps(predictor)).columns(images) == predictor.columns(images)


def test_opened_model_is_used_as_it_is(tiny_artifact, images):
    with Classifier(tiny_artifact) as classifier:
        ensemble = Ensemble([classifier, classifier])
        assert RowPredictor(ensemble).columns(images) == RowPredictor(tiny_artifact).columns(images)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top": 0}, "`top` must be an integer from 1"),
        ({"plan": "absent"}, "absent"),
        ({"average": "mean"}, "`average`"),
        ({"channels": "RBG"}, "`channels`"),
        ({"budget": 2.0}, "`budget` needs the plan 'adaptive'"),
    ],
)
def test_invalid_argument_is_an_error_before_any_image(tiny_artifact, arguments, message):
    with pytest.raises(SpecError) as caught:
        RowPredictor(tiny_artifact, **arguments)
    assert message in str(caught.value)
