import numpy as np

from edgekit import Classifier, ImageError
from edgekit.runtime.json_record import json_record, short_label

IMAGE = np.random.default_rng(4).integers(0, 256, (30, 40, 3), np.uint8)


def test_record_has_the_prediction(tiny_artifact):
    with Classifier(tiny_artifact) as classifier:
        prediction = classifier.predict(IMAGE, top=2)
    record = json_record("a.png", prediction, model="tiny")
    assert record == {"schema": 1, "path": "a.png", "model": "tiny", **prediction.to_dict()}
    assert list(record) == ["schema", "path", "model", "top"]
    logits = json_record("a.png", prediction, model="tiny", logits=True)["top"]
    assert [sorted(entry) for entry in logits] == [["index", "label", "logit"]] * 2
    assert [entry["logit"] for entry in logits] == [prediction.logits[score.index] for score in prediction.top]


def test_record_has_the_error():
    error = ImageError("a.png: raise `max_bytes`")
    assert json_record("a.png", error, model="tiny", message_of=lambda error: str(error).upper()) == {
        "schema": 1,
        "path": "a.png",
        "error": {"type": "ImageError", "message": "A.PNG: RAISE `MAX_BYTES`"},
    }


def test_labels_are_shortened(tiny_artifact, tmp_path):
    from made_models import write_tiny

    labels = ("tench, Tinca tinca", ", odd", "one", "two")
    with Classifier(write_tiny(tmp_path / "tiny.onnx", labels=labels)) as classifier:
        prediction = classifier.predict(IMAGE, top=4)
    record = json_record("a.png", prediction, model="tiny", short_names=True)
    assert {entry["label"] for entry in record["top"]} == {"tench", ", odd", "one", "two"}
    assert short_label("tench, Tinca tinca") == "tench"
