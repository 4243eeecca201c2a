"""`edgekit adopt` from the command line."""

import json
from pathlib import Path

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
