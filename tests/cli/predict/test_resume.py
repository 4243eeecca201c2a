"""`edgekit predict --resume`: an interrupted job is resumed."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from made_json_lines import json_lines, paths_of
from made_models import write_tiny

from edgekit.files import lock_file

WAIT_S = 120  # for processes on a busy machine


def test_resume_continues_a_file_truncated_anywhere(edgekit, folder, tiny_artifact):
    base = ("predict", ".", "--model", tiny_artifact, "--resume")
    code, out, err = edgekit(*base, "whole.jsonl")
    whole = Path("whole.jsonl").read_bytes()
    assert (code, out) == (3, "")
    assert err == "whole.jsonl: 12 images, 2 failed\n"
    assert paths_of(whole.decode()) == [f"./{number}.png" for number in range(1, 13)]
    for kept in (0, 1, 200, len(whole) // 2, len(whole) - 1, len(whole)):
        Path("part.jsonl").write_bytes(whole[:kept])
        assert edgekit(*base, "part.jsonl")[0] == 3
        assert Path("part.jsonl").read_bytes() == whole


def test_resume_counts_one_record_for_each_image_of_its_name(edgekit, folder, tiny_artifact):
    base = ("predict", "--model", tiny_artifact, "--resume", "r.jsonl")
    edgekit(*base, "1.png", "2.png")
    assert edgekit(*base, "1.png", "1.png", "2.png", "3.png")[0] == 0
    assert paths_of(Path("r.jsonl").read_text()) == ["1.png", "2.png", "1.png", "3.png"]


def test_resume_refuses_records_of_other_models_or_options(edgekit, folder, tiny_artifact, tmp_path):
    base = ("predict", "1.png", "--resume", "r.jsonl", "--model")
    assert edgekit(*base, tiny_artifact)[0] == 0
    before = Path("r.jsonl").read_bytes()
    other = write_tiny(tmp_path / "other.onnx", labels=("w", "x", "y", "z"))
    for arguments in ((other,), (tiny_artifact, "--crops", "10"), (tiny_artifact, "--top", "3")):
        code, _, err = edgekit(*base, *arguments)
        assert code == 1
        assert "line 1 was predicted by another model or with other options" in err
    for line in (b"[]\n", b"{}\n", b"nonsense\n", b'{"path": 1}\n', b"\xff\n", b"[" * 10**5 + b"\n"):
        Path("r.jsonl").write_bytes(line + before)
        code, _, err = edgekit(*base, tiny_artifact)
        assert code == 1
        assert "line 1 was not written by" in err
        assert Path("r.jsonl").read_bytes() == line + before
    for end in (b"notes without a newline", b'{"other": 1'):
        for whole in (b"", before):
            Path("r.jsonl").write_bytes(whole + end)
            code, _, err = edgekit(*base, tiny_artifact)
            assert code == 1
            assert "was not written by" in err
            assert Path("r.jsonl").read_bytes() == whole + end


def test_resume_refuses_a_file_that_another_process_writes(mistake, folder, tiny_artifact):
    Path("r.jsonl").touch()
    with Path("r.jsonl").open("rb") as other:
        assert lock_file(other.fileno())
        code, line = mistake("predict", "1.png", "--model", tiny_artifact, "--resume", "r.jsonl")
    assert code == 1
    assert "r.jsonl: another edgekit is writing to it" in line
    assert Path("r.jsonl").read_bytes() == b""


def started(*arguments):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "edgekit", "predict", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Where the tests run in the background of a shell they ignore Ctrl-C, and so would what they start.
    heeding = None if os.name == "nt" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, **pipes, preexec_fn=heeding)


@pytest.fixture
def names(folder):
    """A list of many images: there is time to interrupt."""
    Path("names.txt").write_text("1.png\n2.png\n3.png\n" * 20_000)
    return "names.txt"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_predict_interrupted_exits_130_after_whole_lines(names, tiny_artifact):
    with started("--list", names, "--model", tiny_artifact, "--json") as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    advice = "with --resume FILE, a rerun would skip the images that are already predicted"
    assert (process.returncode, err) == (130, f"interrupted; {advice}\n")
    assert out == "" or out.endswith("\n")
    assert all("top" in document for document in json_lines(first + out))


def test_resume_continues_a_killed_job(edgekit, names, tiny_artifact):
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
    assert paths_of(Path("r.jsonl").read_text()) == ["1.png", "2.png", "3.png"] * (done // 3 + 5)
