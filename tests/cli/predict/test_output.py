"""What `edgekit predict` writes: text, JSON and CSV."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from made_json_lines import json_lines
from made_models import write_tiny

from edgekit import Classifier
from edgekit.cli.layout import text_width

WAIT_S = 120  # for processes on a busy machine


def test_predict_writes_logits_and_short_names_in_every_form(edgekit, folder, tmp_path):
    labels = ("tench, Tinca tinca", "b", "crane, a bird", "crane, a machine")
    model = write_tiny(tmp_path / "long.onnx", labels=labels)
    prediction = Classifier(model).predict("1.png")
    order = [score.index for score in prediction.top]
    base = ("predict", "1.png", "--model", model, "--top", 4, "--logits", "--short-names")
    top = json_lines(edgekit(*base, "--json")[1])[0]["top"]
    assert [entry["index"] for entry in top] == order
    assert [entry["label"] for entry in top] == [labels[index].partition(",")[0] for index in order]
    np.testing.assert_allclose([entry["logit"] for entry in top], prediction.logits[order], rtol=1e-5)
    rows = list(csv.reader(io.StringIO(edgekit(*base, "--csv")[1])))
    assert rows[0] == ["path", "rank", "label", "index", "logit", "error"]
    assert [row[1:4] for row in rows[1:]] == [[str(n), e["label"], str(e["index"])] for n, e in enumerate(top, 1)]
    lines = edgekit(*base)[1].splitlines()
    assert [line.split() for line in lines[1:-1]] == [[e["label"], f"{e['logit']:.3f}"] for e in top]
    assert lines[-1] == f"  model: {model}"
    assert "Tinca" in edgekit("predict", "1.png", "--model", model, "--top", 4)[1]


HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "  =1",
    "\r=1",
    "\x1b[31mred",
    "<script>alert(1)</script>",
    "‮x",
    "＝1",
)


def test_predict_csv_has_no_formulas_and_no_escapes(edgekit, folder, tmp_path):
    labels = ("=cmd|' /C calc'!A0", "\t=1+1", '<b>bold</b>, "quoted"\nline', "@x")
    model = write_tiny(tmp_path / "evil.onnx", labels=labels)
    for name in HOSTILE:
        Path(name.replace("/", "_")).write_bytes(b"broken" if "1" in name else Path("1.png").read_bytes())
    names = sorted(path.name for path in folder.iterdir() if path.suffix == "")
    code, out, err = edgekit("predict", *("--csv", "--top", 4, "--model", model, "--"), *names)
    assert (code, err) == (3, "")
    assert all(line.isprintable() for line in out.splitlines())
    rows = list(csv.reader(io.StringIO(out)))[1:]
    assert {row[0].lstrip("'") for row in rows} >= {"@SUM(A1)", "<script>alert(1)<_script>", "\\x1b[31mred"}
    for row in rows:
        assert len(row) == 6
        for cell in (row[0], row[2], row[5]):
            assert not cell.strip().startswith(tuple("=+-@＝"))


def test_predict_reports_a_full_disk_in_one_line(tiny_artifact, folder):
    command = [sys.executable, "-m", "edgekit", "predict", "1.png", "--model", str(tiny_artifact)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_predict_truncates_long_labels_on_a_terminal_only(edgekit, folder, tmp_path, monkeypatch):
    labels = ("a very long label " * 15, "図書館" * 40, "short", "b" * 300)
    model = write_tiny(tmp_path / "long.onnx", labels=labels)
    command = ("predict", "1.png", "--model", model, "--top", 4)
    monkeypatch.delenv("COLUMNS", raising=False)
    piped = edgekit(*command)[1]
    assert all(label.strip() in piped for label in labels)
    monkeypatch.setenv("COLUMNS", "80")
    lines = edgekit(*command)[1].splitlines()[1:-1]
    assert len(lines) == 4
    assert max(map(text_width, lines)) <= 80
    assert len({text_width(line.partition("%")[0]) for line in lines}) == 1  # the figures stand below each other
    assert json_lines(edgekit(*command, "--json")[1])[0]["top"][0]["label"] in labels
