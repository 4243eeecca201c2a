"""Malicious folders, predicted by the command in a child process with limits."""

import csv
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from made_images import encoded, quadrants
from made_models import write_tiny
from made_names import HOSTILE_NAMES

ADDRESS_SPACE = 4 * 2**30
WAIT_S = 120


def predict(*arguments, cwd):
    """Run `edgekit predict` and return its exit status, stdout and stderr, which must be printable."""
    command = [sys.executable, "-m", "edgekit", "predict", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        timeout=WAIT_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE)),
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert all(line.isprintable() for line in (out + err).split("\n")), (out, err)
    return done.returncode, out, err


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A folder of valid images with hostile names."""
    folder = tmp_path_factory.mktemp("names")
    for name in HOSTILE_NAMES:
        (folder / f"{name}.png").write_bytes(encoded(quadrants(), "PNG"))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with hostile labels."""
    labels = ("\x1b[2J, \x1b[31mred", "=cmd|' C'!A0", "<b>\u202e\x07</b>", '@x\n,"y"')
    return write_tiny(tmp_path_factory.mktemp("model") / "evil.onnx", labels=labels)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--top", "4"], ["--short-names"]], ids=str)
def test_predict_escapes_hostile_names_and_labels(names, model, form):
    code, out, err = predict(".", "--model", model, *form, cwd=names)
    assert (code, err) == (0, "")
    if form == ["--json"]:
        assert {json.loads(line)["path"] for line in out.splitlines()} == {f"./{name}.png" for name in HOSTILE_NAMES}
    elif form == ["--csv"]:
        rows = list(csv.reader(io.StringIO(out)))
        assert len(rows) == 1 + len(HOSTILE_NAMES)
        assert not [cell for row in rows for cell in row if cell.lstrip().startswith(tuple("=+-@\uff1d"))]
    elif form != ["--top", "4"]:
        assert len(out.splitlines()) == len(HOSTILE_NAMES)


def test_predict_accepts_hostile_names_as_arguments_and_in_lists(names, model, tmp_path):
    files = [f"{name}.png" for name in HOSTILE_NAMES]
    code, out, err = predict("--model", model, "--json", "--", *files, cwd=names)
    assert (code, err) == (0, "")
    assert [json.loads(line)["path"] for line in out.splitlines()] == files
    listed = tmp_path / "names"
    listed.write_bytes(b"\0".join(map(os.fsencode, files)))
    assert predict("--model", model, "--json", "--list", listed, cwd=names) == (code, out, err)


def test_predict_saves_hostile_names_as_harmless_files(names, model, tmp_path):
    before = sorted(names.iterdir())
    assert predict(".", "--model", model, "--save", tmp_path / "out", cwd=names)[0] == 0
    saved = list((tmp_path / "out").iterdir())
    assert len(saved) == len(HOSTILE_NAMES)
    assert all(path.name.isprintable() and path.suffix == ".jpg" for path in saved)
    assert sorted(names.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.name == "nt", reason="FIFOs and links of POSIX")
def test_predict_continues_after_pipes_links_and_broken_files(tiny_artifact, tmp_path):
    """5 of 100 images are broken in different ways. Every image is listed in its place, with its label or its error."""
    for number in range(100):
        (tmp_path / f"{number}.png").write_bytes(encoded(quadrants(), "PNG"))
    bad = {"7.png", "20.png", "33.png", "48.png", "99.png"}
    for name in bad:
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "7.png")
    (tmp_path / "20.png").symlink_to("/dev/zero")
    (tmp_path / "33.png").symlink_to("33.png")
    (tmp_path / "48.png").write_bytes(b"")
    (tmp_path / "99.png").symlink_to("absent")
    (tmp_path / "a").mkdir()
    for link, target in (("a/up", ".."), ("a/here", "."), ("b", "a"), ("c", "."), ("d", "d")):
        (tmp_path / link).symlink_to(target, target_is_directory=True)
    for argument in (".", "**/*.png"):
        code, out, err = predict(argument, "--model", tiny_artifact, "--json", cwd=tmp_path)
        documents = [json.loads(line) for line in out.splitlines()]
        assert (code, err) == (3, "")
        assert [Path(document["path"]).name for document in documents] == [f"{number}.png" for number in range(100)]
        assert {Path(document["path"]).name for document in documents if "error" in document} == bad
