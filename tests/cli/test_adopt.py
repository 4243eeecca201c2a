"""`edgekit adopt` from the command line."""

import json
from pathlib import Path

import pytest

from edgekit import Classifier
from edgekit.artifact.info import read_info

SHIP = str(Path(__file__).parents[2] / "examples/ship.png")
ADOPTING = ("--labels", "l.txt", "--mean", "0.5", "--std", "0.5", "--resize", "14", "-o", "new.onnx")


def test_adopt_reports_what_it_found_and_writes_a_file_that_predicts(edgekit, tmp_path, monkeypatch):
    from made_plain import LABELS, plain_model

    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model(end="softmax", classes=5).SerializeToString())
    Path("l.txt").write_text("\n".join(LABELS))
    code, out, err = edgekit("adopt", "plain.onnx", *ADOPTING, "--license", "MIT")
    assert code == 0
    assert "plain.onnx: nchw 12x14, probabilities, background class 0 removed" in out
    assert "batch size dynamic" in out
    assert "wrote new.onnx; next: edgekit quantize new.onnx --calibration DATA" in err
    assert edgekit("predict", SHIP, "--model", "new.onnx")[0] == 0
    document = json.loads(edgekit("adopt", "plain.onnx", *ADOPTING, "--activation-maps", "--json")[1] or "null")
    assert document is None  # the background's weights stand between the maps and the logits
    document = json.loads(edgekit("adopt", "plain.onnx", *ADOPTING, "--name", "theirs", "--json")[1])
    assert (document["output_kind"], document["background"], document["batch"]) == ("probabilities", True, None)
    assert document["info"]["model"] == "theirs"
    Path("l.txt").write_text("one\ntwo\n")
    code, _, err = edgekit("adopt", "plain.onnx", *ADOPTING)
    assert (code, err.count("\n")) == (2, 1)
    assert "--labels must have one name for each of the model's 5 classes" in err


@pytest.fixture
def plain(edgekit, tmp_path, monkeypatch) -> Path:
    """A third-party model and its adopted form, in the working folder."""
    from made_plain import LABELS, plain_model

    monkeypatch.chdir(tmp_path)
    Path("plain.onnx").write_bytes(plain_model().SerializeToString())
    Path("l.txt").write_text("\n".join(LABELS))
    assert edgekit("adopt", "plain.onnx", *ADOPTING)[0] == 0
    return tmp_path / "new.onnx"


@pytest.mark.slow
def test_adopt_fits_a_temperature_only_if_asked(edgekit, plain, write_drawn):
    data = write_drawn(plain, 240, temperature=0.5)
    before = Classifier(plain).predict(SHIP)
    code, out, err = edgekit("adopt", "plain.onnx", *ADOPTING, "--images", data)
    assert (code, "temperature" in out + err, read_info(plain).temperature) == (0, False, None)
    code, out, _ = edgekit("adopt", "plain.onnx", *ADOPTING, "--images", data, "--calibrate", data)
    info, after = read_info(plain), Classifier(plain).predict(SHIP)
    assert (code, info.metrics["images"], info.temperature_fit["images"]) == (0, 140, 100)
    assert info.temperature_fit["interval"][0] < 0.5 < info.temperature_fit["interval"][1]
    assert f"temperature {info.temperature:.3g} (95% interval " in out
    assert "fitted to 100 images; ECE " in out
    assert "on 140 images" in out
    assert (after.logits == before.logits).all()
    assert after.label == before.label
    assert edgekit("adopt", "plain.onnx", *ADOPTING, "--calibrate", data)[0] == 0
    assert (read_info(plain).metrics, read_info(plain).temperature_fit["images"]) == (None, 240)


def test_adopt_refuses_to_fit_a_temperature_to_few_images(mistake, plain, write_drawn):
    data = write_drawn(plain, 120, temperature=0.5)
    code, err = mistake("adopt", "plain.onnx", *ADOPTING, "--images", data, "--calibrate", data)
    assert code == 1
    assert "--calibrate needs 200 images, of which half judge, if --images is the same data (got 120)" in err
    few = write_drawn(plain, 99, temperature=0.5, name="few")
    code, err = mistake("adopt", "plain.onnx", *ADOPTING, "--calibrate", few)
    assert code == 1
    assert "--calibrate must be at least 100 images (got 99)" in err
