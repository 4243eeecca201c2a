"""`edgekit predict`: what it takes, what it writes, and how a killed job goes on."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_models import write_tiny
from made_pictures import encoded, gray_tiff_tags, noise, tiff
from PIL import Image

from edgekit import Classifier
from edgekit.cli.predict.annotate import DrawnPictures, drawn
from edgekit.errors import EdgekitError

WAIT_S = 120  # for processes on a busy machine


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures 1.png to 12.png, of which 5.png and 7.png are broken; the working folder."""
    for number in range(1, 13):
        data = encoded(noise(20 + number, 25), "PNG")
        (tmp_path / f"{number}.png").write_bytes(b"broken" if number in (5, 7) else data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def json_of(text):
    return [json.loads(line) for line in text.splitlines()]


def paths(text):
    return [document["path"] for document in json_of(text)]


# -- what it takes ----------------------------------------------------------------------------------------------------


def test_a_folder_answers_every_good_picture_and_lists_every_bad_one(edgekit, folder, tiny_artifact):
    code, out, err = edgekit("predict", ".", "--model", tiny_artifact, "--json")
    documents = json_of(out)
    assert (code, err) == (3, "")
    assert [document["path"] for document in documents] == [f"./{number}.png" for number in range(1, 13)]
    assert [document["path"] for document in documents if "error" in document] == ["./5.png", "./7.png"]
    classifier = Classifier(tiny_artifact, threads=1)
    for document in documents:
        if "top" in document:
            assert document["top"] == classifier.predict(document["path"], top=1).to_dict()["top"]


def test_several_models_are_averaged_by_their_weights(edgekit, folder, tiny_artifact):
    other = write_tiny(folder / "other.onnx", labels=("black", "red", "green", "blue"))
    models = ("--model", tiny_artifact, "--model", other)
    document = json.loads(edgekit("predict", "1.png", *models, "--weights", "3,1", "--json", "--top", 4)[1])
    first, second = (Classifier(path, threads=1).predict("1.png") for path in (tiny_artifact, other))
    both = {score.label: 0.75 * score.probability for score in first.top}
    for score in second.top:
        both[score.label] += 0.25 * score.probability
    assert {score["label"]: score["probability"] for score in document["top"]} == pytest.approx(both)
    code, _, err = edgekit("predict", "1.png", *models, "--weights", "1;2")
    assert (code, err.count("\n")) == (2, 1)
    assert "with commas between" in err
    code, _, err = edgekit("predict", "1.png", "--model", tiny_artifact, "--model", "lenet5-mnist")
    assert (code, err.count("\n")) == (2, 1)


def test_where_nothing_is_sure_the_answer_is_unknown(edgekit, folder, tiny_artifact):
    said = ("predict", "1.png", "--model", tiny_artifact, "--unknown-below", "0.999999")
    assert edgekit(*said)[1].splitlines()[0] == "1.png  unknown"
    assert edgekit(*said, "--top", 1)[1].startswith("1.png  unknown  ")
    assert json.loads(edgekit(*said, "--json")[1])["unknown"] is True
    assert edgekit(*said, "--csv")[1].splitlines()[1] == "1.png,0,unknown,,,"
    assert edgekit("predict", "1.png", "--unknown-below", "2")[0] == 2


def test_views_and_providers_are_asked_for(edgekit, folder, tiny_artifact):
    exact = Classifier(tiny_artifact, threads=1, exact=True)
    for options, asked in (
        (("--crops", "grid:2x2", "--average", "logits"), {"plan": "grid:2x2", "average": "logits"}),
        (("--crops", "whole", "--exact"), {"plan": "whole"}),
    ):
        out = edgekit("predict", "1.png", "--model", tiny_artifact, "--json", "--exact", *options)[1]
        assert json.loads(out)["top"] == exact.predict("1.png", **asked).to_dict()["top"]
    for options, message in (
        (("--provider", "abacus"), "no execution provider 'abacus'"),
        (("--budget", "2"), "a budget goes with the plan adaptive"),
        (("--crops", "adaptive"), "`edgekit crops`"),
        (("--average", "medians"), "medians"),
    ):
        code, _, err = edgekit("predict", "1.png", "--model", tiny_artifact, *options)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err


def test_patterns_lists_and_files_in_their_order(edgekit, folder, tiny_artifact):
    Path("list.txt").write_text("9.png\n\n1?.png\n")
    code, out, _ = edgekit("predict", "3.png", "--list", "list.txt", "--model", tiny_artifact, "--json")
    assert code == 0
    assert paths(out) == ["3.png", "9.png", "10.png", "11.png", "12.png"]


def test_a_list_from_stdin(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2.png\0001.png\0")))
    assert paths(edgekit("predict", "--list", "-", "--model", tiny_artifact, "--json")[1]) == ["2.png", "1.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, ""),
        (("1.png", "--json", "--csv"), 2, "one form"),
        (("1.png", "--json", "--resume", "r.jsonl"), 2, "one form"),
        (("--list", "absent.txt"), 1, "absent.txt"),
        (("1.png", "--top", "0"), 2, ""),
        (("1.png", "--max-pixels", "10"), 3, "limit of 10 pixels"),
        (("1.png", "--max-bytes", "10"), 3, "limit of 10 bytes"),
        (("1.png", "--save", "2.png"), 1, "2.png"),
        (("1.png", "--resume", "."), 1, "not a regular file"),
        (("1.png", "--resume", "absent/r.jsonl"), 1, "absent/r.jsonl"),
        (("1.png", "--resume", "2.png"), 1, "2.png: line 1"),
        (("ftp://example.invalid/x.png",), 3, "not by ftp"),
        (("empty",), 3, "no pictures in this folder"),
        (("empty/*.jpg",), 3, "pattern"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(edgekit, folder, tiny_artifact, arguments, code, said):
    Path("empty").mkdir()
    before = sorted(folder.rglob("*"))
    found, out, err = edgekit("predict", *arguments, "--model", tiny_artifact)
    assert (found, out) == (code, "")
    assert said in err
    assert not said or err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_what_the_picture_library_logs_is_not_for_the_user(folder, tiny_artifact):
    tags = [tag if tag[0] != 277 else (277, 4, 1, 255) for tag in gray_tiff_tags(40, 30, 200, 1200)]
    Path("255-samples.tif").write_bytes(tiff(tags, body=bytes(2000)))
    command = [sys.executable, "-m", "edgekit", "predict", "255-samples.tif", "--model", str(tiny_artifact)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert "255-samples.tif: not a picture of a known format" in done.stderr


def test_an_offline_machine_fetches_nothing(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    code, _, err = edgekit("predict", "http://127.0.0.1:9/x.png", "--model", tiny_artifact)
    assert code == 3
    assert "EDGEKIT_OFFLINE" in err


# -- what it writes ---------------------------------------------------------------------------------------------------


def test_logits_and_short_names_in_every_form(edgekit, folder, tmp_path):
    labels = ("tench, Tinca tinca", "b", "crane, a bird", "crane, a machine")
    model = write_tiny(tmp_path / "long.onnx", labels=labels)
    prediction = Classifier(model).predict("1.png")
    order = [score.index for score in prediction.top]
    base = ("predict", "1.png", "--model", model, "--top", 4, "--logits", "--short-names")
    top = json_of(edgekit(*base, "--json")[1])[0]["top"]
    assert [entry["index"] for entry in top] == order
    assert [entry["label"] for entry in top] == [labels[index].partition(",")[0] for index in order]
    np.testing.assert_allclose([entry["logit"] for entry in top], prediction.logits[order], rtol=1e-5)
    rows = list(csv.reader(io.StringIO(edgekit(*base, "--csv")[1])))
    assert rows[0] == ["path", "rank", "label", "index", "logit", "error"]
    assert [row[1:4] for row in rows[1:]] == [[str(n), e["label"], str(e["index"])] for n, e in enumerate(top, 1)]
    lines = edgekit(*base)[1].splitlines()[1:]
    assert [line.split() for line in lines] == [[e["label"], f"{e['logit']:.3f}"] for e in top]
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


def test_csv_holds_no_formula_and_no_escape(edgekit, folder, tmp_path):
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


def test_saved_pictures_have_their_labels_and_replace_nothing(edgekit, folder, tiny_artifact):
    inputs = {path: path.read_bytes() for path in folder.iterdir()}
    Path("sub").mkdir()
    Path("sub/1.png").write_bytes(inputs[folder / "1.png"])
    for _ in range(2):
        assert edgekit("predict", "1.png", "sub", "5.png", "--model", tiny_artifact, "--save", ".")[0] == 3
    assert edgekit("predict", ".", "--model", tiny_artifact, "--save", "out")[0] == 3
    assert {path: path.read_bytes() for path in inputs} == inputs
    assert {path.name for path in folder.glob("*.jpg")} == {"1.jpg", "1-2.jpg", "1-3.jpg", "1-4.jpg"}
    assert len(list(Path("out").iterdir())) == 10 + 1 + 4
    with Image.open("1.jpg") as saved:
        assert saved.format == "JPEG"
        assert max(saved.size) >= 256


def test_a_picture_from_stdin_is_saved_too(edgekit, folder, tiny_artifact, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("1.png").read_bytes())))
    assert edgekit("predict", "-", "--model", tiny_artifact, "--save", "out")[0] == 0
    assert [path.name for path in Path("out").iterdir()] == ["-.jpg"]


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (5000, 40), (300, 200)])
def test_drawing_fits_any_picture_and_any_text(size):
    for lines in (["a"], ["x" * 5000, "\\x1b[31m", "日本語 ü ‮", ""]):
        picture = drawn(Image.new("RGB", size, "red"), lines)
        assert picture.mode == "RGB"
        assert max(picture.size) <= 4096
        values = np.asarray(picture)
        assert (values == 255).all(axis=-1).any() or lines[0] == ""


def test_names_of_saved_pictures_stay_in_the_folder(tmp_path):
    folder = DrawnPictures(str(tmp_path / "out"))
    picture = Image.new("RGB", (9, 9))
    for name in ("../../up.png", "http://host/a/b.png?x=1", "..", "", "/", "a" * 400, "con\x1b[1m.png", "\udcff.jpg"):
        path = folder.save(name, picture, ["x"])
        assert path.resolve().parent == (tmp_path / "out").resolve()
        assert path.name.isprintable()
    assert len(list((tmp_path / "out").iterdir())) == 8
    with pytest.raises(EdgekitError, match="no folder"):
        DrawnPictures("a\0b")


def test_a_full_disk_is_one_line(tiny_artifact, folder):
    command = [sys.executable, "-m", "edgekit", "predict", "1.png", "--model", str(tiny_artifact)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_a_bar_on_the_terminal_leaves_the_answers_alone(tiny_artifact, folder):
    import pty

    control, terminal = pty.openpty()
    command = [sys.executable, "-m", "edgekit", "predict", ".", "--model", str(tiny_artifact), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        out = process.stdout.read()
        shown = os.read(control, 10**6).decode()
    os.close(control)
    assert process.returncode == 3
    assert paths(out) == [f"./{number}.png" for number in range(1, 13)]
    assert "predicting" in shown
    assert "/12" in shown


# -- a killed job goes on ---------------------------------------------------------------------------------------------


def test_a_job_goes_on_after_every_way_of_being_cut(edgekit, folder, tiny_artifact):
    base = ("predict", ".", "--model", tiny_artifact, "--resume")
    code, out, err = edgekit(*base, "whole.jsonl")
    whole = Path("whole.jsonl").read_bytes()
    assert (code, out) == (3, "")
    assert err == "whole.jsonl: 12 pictures answered, 2 failed\n"
    assert paths(whole.decode()) == [f"./{number}.png" for number in range(1, 13)]
    for kept in (0, 1, 200, len(whole) // 2, len(whole) - 1, len(whole)):
        Path("part.jsonl").write_bytes(whole[:kept])
        assert edgekit(*base, "part.jsonl")[0] == 3
        assert Path("part.jsonl").read_bytes() == whole


def test_each_answer_stands_for_one_picture_of_its_name(edgekit, folder, tiny_artifact):
    base = ("predict", "--model", tiny_artifact, "--resume", "r.jsonl")
    edgekit(*base, "1.png", "2.png")
    assert edgekit(*base, "1.png", "1.png", "2.png", "3.png")[0] == 0
    assert paths(Path("r.jsonl").read_text()) == ["1.png", "2.png", "1.png", "3.png"]


def test_answers_of_another_model_or_with_other_options_are_not_mixed(edgekit, folder, tiny_artifact, tmp_path):
    base = ("predict", "1.png", "--resume", "r.jsonl", "--model")
    assert edgekit(*base, tiny_artifact)[0] == 0
    before = Path("r.jsonl").read_bytes()
    other = write_tiny(tmp_path / "other.onnx", labels=("w", "x", "y", "z"))
    for arguments in ((other,), (tiny_artifact, "--crops", "10"), (tiny_artifact, "--top", "3")):
        code, _, err = edgekit(*base, *arguments)
        assert code == 1
        assert "line 1 was answered by another model or with other options" in err
    for line in (b"[]\n", b"{}\n", b"nonsense\n", b'{"path": 1}\n', b"\xff\n", b"[" * 10**5 + b"\n"):
        Path("r.jsonl").write_bytes(line + before)
        code, _, err = edgekit(*base, tiny_artifact)
        assert code == 1
        assert "line 1 is no answer" in err
        assert Path("r.jsonl").read_bytes() == line + before
    for end in (b"notes without a newline", b'{"other": 1'):
        for whole in (b"", before):
            Path("r.jsonl").write_bytes(whole + end)
            code, _, err = edgekit(*base, tiny_artifact)
            assert code == 1
            assert "is no answer" in err
            assert Path("r.jsonl").read_bytes() == whole + end


def started(*arguments):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "edgekit", "predict", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Where the tests run in the background of a shell they ignore Ctrl-C, and so would what they start.
    heeding = None if os.name == "nt" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, **pipes, preexec_fn=heeding)


@pytest.fixture
def names(folder):
    """A list of many pictures: there is time to interrupt."""
    Path("names.txt").write_text("1.png\n2.png\n3.png\n" * 20_000)
    return "names.txt"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_with_130_and_whole_lines(names, tiny_artifact):
    with started("--list", names, "--model", tiny_artifact, "--json") as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert (process.returncode, err) == (130, "interrupted\n")
    assert out == "" or out.endswith("\n")
    assert all("top" in document for document in json_of(first + out))


def test_a_killed_job_has_written_what_it_answered(edgekit, names, tiny_artifact):
    with started("--list", names, "--model", tiny_artifact, "--resume", "r.jsonl") as process:
        begin = time.monotonic()
        while not Path("r.jsonl").exists() or Path("r.jsonl").stat().st_size < 5000:
            assert time.monotonic() - begin < WAIT_S
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    done = Path("r.jsonl").read_bytes().count(b"\n")
    Path("names.txt").write_text("1.png\n2.png\n3.png\n" * (done // 3 + 5))
    assert edgekit("predict", "--list", names, "--model", tiny_artifact, "--resume", "r.jsonl")[0] == 0
    assert paths(Path("r.jsonl").read_text()) == ["1.png", "2.png", "3.png"] * (done // 3 + 5)
