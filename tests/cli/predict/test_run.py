"""`edgekit predict`: the images it accepts, its options and its failures."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_images import gray_tiff_tags, tiff
from made_json_lines import json_lines, paths_of
from made_models import write_tiny
from PIL import Image

from edgekit import Classifier

EXAMPLES = Path(__file__).parents[3] / "examples"
SHIP, SEVEN = str(EXAMPLES / "ship.png"), str(EXAMPLES / "seven.png")


def test_predict_one_image_shows_five_classes_best_first(edgekit):
    code, out, err = edgekit("predict", SEVEN, "--model", "lenet5-mnist")
    lines = out.splitlines()
    assert (code, err, lines[0], len(lines)) == (0, "", SEVEN, 7)
    assert lines[1].split()[0] == "7"
    assert lines[6] == "  model: lenet5-mnist"


def test_predict_many_images_writes_a_line_each_in_order(edgekit):
    code, out, _ = edgekit("predict", SEVEN, SHIP, SEVEN, "--model", "lenet5-mnist")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [SEVEN, SHIP, SEVEN]


def test_predict_json_agrees_with_the_library(edgekit, tiny_artifact):
    code, out, _ = edgekit("predict", SHIP, "--model", tiny_artifact, "--json", "--top", 2, "--crops", 10)
    document = json.loads(out)
    assert code == 0
    assert document == {
        "schema": 1,
        "path": SHIP,
        "model": str(tiny_artifact),
        **Classifier(tiny_artifact).predict(SHIP, top=2, plan="ten").to_dict(),
    }


def test_predict_reports_a_failed_image_in_one_line_and_predicts_the_others(edgekit, tiny_artifact, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not an image")
    code, out, err = edgekit("predict", SHIP, broken, "missing.png", SHIP, "--model", tiny_artifact)
    assert code == 3
    assert len(out.splitlines()) == 2
    assert len(err.splitlines()) == 2
    assert str(broken) in err
    assert "missing.png" in err


def test_predict_json_keeps_failures_in_their_place(edgekit, tiny_artifact):
    code, out, err = edgekit("predict", "missing.png", SHIP, "--model", tiny_artifact, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (3, "")
    assert lines[0]["error"]["type"] == "ImageError"
    assert "missing.png" in lines[0]["error"]["message"]
    assert lines[1]["top"]


def test_predict_exits_3_if_all_images_fail(edgekit, tiny_artifact):
    assert edgekit("predict", "missing.png", "--model", tiny_artifact)[0] == 3


def test_predict_dash_reads_stdin(edgekit, tiny_artifact, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(Path(SHIP).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, out, _ = edgekit("predict", "-", "--model", tiny_artifact, "--json")
    assert code == 0
    assert json.loads(out)["top"] == Classifier(tiny_artifact).predict(SHIP).to_dict()["top"]


def test_predict_accepts_gray_and_tiny_images(edgekit, tiny_artifact, tmp_path):
    path = tmp_path / "gray.png"
    Image.new("L", (1, 3), 77).save(path)
    assert edgekit("predict", path, "--model", tiny_artifact)[0] == 0


WAIT_S = 120  # for processes on a busy machine


def test_predict_folder_predicts_good_images_and_lists_bad_ones(edgekit, folder, tiny_artifact):
    code, out, err = edgekit("predict", ".", "--model", tiny_artifact, "--json")
    documents = json_lines(out)
    assert (code, err) == (3, "")
    assert [document["path"] for document in documents] == [f"./{number}.png" for number in range(1, 13)]
    assert [document["path"] for document in documents if "error" in document] == ["./5.png", "./7.png"]
    classifier = Classifier(tiny_artifact, threads=1)
    for document in documents:
        if "top" in document:
            assert document["top"] == classifier.predict(document["path"], top=1).to_dict()["top"]


def test_predict_folder_lists_images_that_cannot_be_decoded(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for number in range(1, 13):
        (folder / f"{number}.png").unlink()
    (folder / "1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    (folder / "2.jxl").write_bytes(b"\xff\x0a" + bytes(60))
    code, out, err = edgekit("predict", ".", "--model", tiny_artifact)
    assert (code, out) == (3, "")
    heic, jxl = err.splitlines()
    assert "1.HEIC: HEIF images need the package pillow-heif; run: pip install" in heic
    assert "2.jxl: JPEG XL is not supported; convert it to JPEG or PNG" in jxl


def test_predict_averages_models_by_model_weights(edgekit, folder, tiny_artifact):
    other = write_tiny(folder / "other.onnx", labels=("black", "red", "green", "blue"))
    models = ("--model", tiny_artifact, "--model", other)
    document = json.loads(edgekit("predict", "1.png", *models, "--model-weights", "3,1", "--json", "--top", 4)[1])
    first, second = (Classifier(path, threads=1).predict("1.png") for path in (tiny_artifact, other))
    both = {score.label: 0.75 * score.probability for score in first.top}
    for score in second.top:
        both[score.label] += 0.25 * score.probability
    assert {score["label"]: score["probability"] for score in document["top"]} == pytest.approx(both)
    code, _, err = edgekit("predict", "1.png", *models, "--model-weights", "1;2")
    assert (code, err.count("\n")) == (2, 1)
    assert "must be comma-separated numbers" in err
    code, _, err = edgekit("predict", "1.png", "--model", tiny_artifact, "--model", "lenet5-mnist")
    assert (code, err.count("\n")) == (2, 1)


def test_predict_unknown_below_a_probability(edgekit, folder, tiny_artifact):
    command = ("predict", "1.png", "--model", tiny_artifact, "--unknown-below", "0.999999")
    assert edgekit(*command)[1].splitlines()[0] == "1.png  unknown"
    assert edgekit(*command, "--top", 1)[1].startswith("1.png  unknown  ")
    assert json.loads(edgekit(*command, "--json")[1])["unknown"] is True
    assert edgekit(*command, "--csv")[1].splitlines()[1] == "1.png,0,unknown,,,"
    assert edgekit("predict", "1.png", "--unknown-below", "2")[0] == 2


def test_predict_passes_views_and_providers_on(edgekit, folder, tiny_artifact):
    exact = Classifier(tiny_artifact, threads=1, exact=True)
    for options, asked in (
        (("--crops", "grid:2x2", "--average", "logits"), {"plan": "grid:2x2", "average": "logits"}),
        (("--crops", "whole", "--exact"), {"plan": "whole"}),
    ):
        out = edgekit("predict", "1.png", "--model", tiny_artifact, "--json", "--exact", *options)[1]
        assert json.loads(out)["top"] == exact.predict("1.png", **asked).to_dict()["top"]
    for options, message in (
        (("--provider", "abacus"), "no execution provider 'abacus'"),
        (("--budget", "2"), "--budget needs the plan 'adaptive'"),
        (("--crops", "adaptive"), "`edgekit crops`"),
        (("--average", "medians"), "medians"),
    ):
        code, _, err = edgekit("predict", "1.png", "--model", tiny_artifact, *options)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err


def test_predict_keeps_the_order_of_files_lists_and_patterns(edgekit, folder, tiny_artifact):
    Path("list.txt").write_text("9.png\n\n1?.png\n")
    code, out, _ = edgekit("predict", "3.png", "--list", "list.txt", "--model", tiny_artifact, "--json")
    assert code == 0
    assert paths_of(out) == ["3.png", "9.png", "10.png", "11.png", "12.png"]


def test_predict_reads_a_list_from_stdin(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2.png\0001.png\0")))
    assert paths_of(edgekit("predict", "--list", "-", "--model", tiny_artifact, "--json")[1]) == ["2.png", "1.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, ""),
        (("1.png", "--json", "--csv"), 2, "mutually exclusive"),
        (("1.png", "--json", "--resume", "r.jsonl"), 2, "mutually exclusive"),
        (("--list", "absent.txt"), 1, "absent.txt"),
        (("1.png", "--top", "0"), 2, ""),
        (("1.png", "--max-pixels", "10"), 3, "limit of 10 pixels"),
        (("1.png", "--max-bytes", "10"), 3, "limit of 10 bytes"),
        (("1.png", "--save", "2.png"), 1, "2.png"),
        (("1.png", "--resume", "."), 1, "not a regular file"),
        (("1.png", "--resume", "absent/r.jsonl"), 1, "absent/r.jsonl"),
        (("1.png", "--resume", "2.png"), 1, "2.png: line 1"),
        (("ftp://example.invalid/x.png",), 3, "not by ftp"),
        (("empty",), 3, "no images in this folder"),
        (("empty/*.jpg",), 3, "pattern"),
    ],
)
def test_predict_reports_a_mistake_in_one_line(edgekit, folder, tiny_artifact, arguments, code, message):
    Path("empty").mkdir()
    before = sorted(folder.rglob("*"))
    exit_code, out, err = edgekit("predict", *arguments, "--model", tiny_artifact)
    assert (exit_code, out) == (code, "")
    assert message in err
    assert not message or err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_predict_hides_the_log_of_the_image_library(folder, tiny_artifact):
    tags = [tag if tag[0] != 277 else (277, 4, 1, 255) for tag in gray_tiff_tags(40, 30, 200, 1200)]
    Path("255-samples.tif").write_bytes(tiff(tags, body=bytes(2000)))
    command = [sys.executable, "-m", "edgekit", "predict", "255-samples.tif", "--model", str(tiny_artifact)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert "255-samples.tif: the header of the TIFF is damaged, cut off or not supported" in done.stderr


def test_predict_offline_downloads_nothing(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    code, _, err = edgekit("predict", "http://127.0.0.1:9/x.png", "--model", tiny_artifact)
    assert code == 3
    assert "EDGEKIT_OFFLINE" in err


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
@pytest.mark.parametrize("to_file", [True, False])
def test_predict_shows_a_bar_only_if_the_results_go_to_a_file(tiny_artifact, folder, tmp_path, to_file):
    import pty

    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "edgekit", "predict", ".", "--model", str(tiny_artifact), "--json"]
    with (tmp_path / "out.jsonl").open("w") as file:
        output = file if to_file else subprocess.PIPE
        with subprocess.Popen(command, stdout=output, stderr=terminal, text=True) as process:
            os.close(terminal)
            out = "" if to_file else process.stdout.read()
            process.wait()
            try:
                progress = os.read(control, 10**6).decode()
            except OSError:  # the other end is closed and wrote nothing
                progress = ""
    os.close(control)
    assert process.returncode == 3
    assert paths_of(out or (tmp_path / "out.jsonl").read_text()) == [f"./{number}.png" for number in range(1, 13)]
    assert ("predicting" in progress and "/12" in progress) == to_file


@pytest.mark.parametrize("option", [("--average", "votes"), ("--unknown-below", "1.5")], ids=" ".join)
def test_predict_refuses_an_impossible_option_though_no_image_can_be_read(edgekit, tiny_artifact, tmp_path, option):
    names, empty = tmp_path / "names.txt", tmp_path / "empty"
    names.write_text("")
    empty.mkdir()
    for images in ((empty,), ("--list", names), (empty, SHIP)):
        code, out, err = edgekit("predict", *images, "--model", tiny_artifact, "--json", *option)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
