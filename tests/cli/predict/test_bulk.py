"""`edgekit predict --output`: what it prints, how it ends, and that a kill loses and repeats nothing."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from made_jobs import rows, write_photos, write_tar
from made_json_lines import json_lines

from edgekit import Classifier
from edgekit.cli import progress

WAIT_S = 120  # for processes on a busy machine


@pytest.fixture
def predict(edgekit, folder, tiny_artifact):
    """Run the command on the folder of twelve images, of which two are broken."""
    return partial(edgekit, "predict", ".", "--model", tiny_artifact)


def test_parts_have_the_records_that_json_prints(predict):
    printed = json_lines(predict("--json", "--top", 2)[1])
    code, out, err = predict("-o", "out.jsonl", "--top", 2, "--shard-size", 5)
    assert (code, out) == (3, "")
    assert err == "out.jsonl: 3 shards, 12 image files\nout.jsonl: 12 images, 2 failed\n"
    assert rows(Path("out.jsonl")) == printed
    assert sorted(path.name for path in Path("out.jsonl").glob("part*")) == [f"part-0000{n}.jsonl" for n in range(3)]


def test_a_finished_job_ends_like_the_one_that_finished_it(predict):
    predict("--output=out.jsonl")
    assert predict("--output=out.jsonl") == (
        *(3, ""),
        "out.jsonl: 1 of 1 shards are finished\nout.jsonl: 12 images, 2 failed\n",
    )
    for name in ("5.png", "7.png"):
        Path(name).write_bytes(Path("1.png").read_bytes())
    assert predict("-o", "other.jsonl")[0] == 0


def test_messages_in_the_parts_name_flags(predict):
    predict("-o", "out.jsonl", "--max-pixels", 530)
    messages = {row["error"]["message"] for row in rows(Path("out.jsonl")) if "error" in row}
    assert any("--max-pixels" in message for message in messages)


def test_parquet_and_shards(edgekit, folder, tiny_artifact):
    pytest.importorskip("pyarrow")
    write_tar(Path("a.tar"), ["1.png", "5.png"])
    code, _, err = edgekit("predict", "a.tar", "--list", "names.txt", "-o", "out.parquet", "--model", tiny_artifact)
    assert (code, err.count("\n")) == (1, 1)  # there is no such list
    Path("names.txt").write_text("2.png\n3.png\n")
    code, _, err = edgekit("predict", "a.tar", "--list", "names.txt", "-o", "out.parquet", "--model", tiny_artifact)
    assert code == 3
    assert err == "out.parquet: 2 shards, 2 image files\nout.parquet: 4 images, 1 failed\n"
    assert [(row["path"], row["shard"]) for row in rows(Path("out.parquet"))] == [
        *(("1", "a.tar"), ("5", "a.tar"), ("2.png", None), ("3.png", None)),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("-o out.csv", 2, "--output must be a folder whose name ends in .parquet or .jsonl (got 'out.csv')"),
        ("-o out.jsonl --json", 2, "--output excludes --json, --csv, --resume and --save"),
        ("-o out.jsonl --save saved", 2, "--output excludes --json, --csv, --resume and --save"),
        ("--shard-size 5", 2, "--shard-size needs --output"),
        ("--image-column x --engine local", 2, "--image-column and --engine need --output"),
        ("-o out.jsonl -", 2, "--output needs images that can be read again; - is only read once"),
        ("-o out.jsonl --engine spork", 2, "unknown --engine 'spork'"),
        ("-o out.jsonl --address x", 2, "--address needs an --engine that runs on a cluster"),
        ("-o 1.png/out.jsonl", 1, "1.png/out.jsonl: the folder of the output cannot be created"),
        ("-o out.jsonl empty", 1, "empty: no images in this folder"),
        ("-o out.jsonl absent.tar", 1, "absent.tar"),
    ],
)
def test_mistakes_are_one_line(mistake, folder, tiny_artifact, arguments, code, message):
    Path("empty").mkdir()
    status, line = mistake("predict", "1.png", "--model", tiny_artifact, *arguments.split())
    assert status == code
    assert message in line


def test_another_job_in_the_folder_is_refused_in_flags(predict, mistake, tiny_artifact):
    predict("-o", "out.jsonl")
    code, line = mistake("predict", ".", "--model", tiny_artifact, "-o", "out.jsonl", "--crops", "ten", "--top", 2)
    assert code == 1
    assert "is of another job: --top 1, now 2; --crops '1', now 'ten'; choose another output" in line


def test_shards_that_cannot_be_read_are_an_error_at_the_end(edgekit, folder, tiny_artifact):
    write_tar(Path("a.tar"), ["1.png", "2.png"])
    Path("b.tar").write_bytes(b"\1" * 2048)
    code, _, err = edgekit("predict", "a.tar", "b.tar", "-o", "out.jsonl", "--model", tiny_artifact)
    lines = err.splitlines()
    assert code == 1
    assert lines[1] == "out.jsonl: 2 images, 0 failed"
    assert lines[2].startswith(
        "error: out.jsonl: 1 of 2 shards cannot be read and have no part; the same command tries"
    )


def test_progress_shows_rate_and_failures(predict, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET_S", 0)
    err = predict("-o", "out.jsonl")[2]
    assert "predicting: 50% (6 of 12), 0:00 left  " in err
    assert "/s, 1 failed" in err


def started(*arguments):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "edgekit", "predict", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heeding = None if os.name == "nt" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, **pipes, preexec_fn=heeding)


@pytest.fixture
def many(folder):
    """The arguments of a job of 60 shards, which takes a second."""
    names = [f"{number % 12 + 1}.png" for number in range(1200)]
    Path("names.txt").write_text("\n".join(names))
    return names, ["--list", "names.txt", "-o", "out.jsonl", "--shard-size", "20"]


def wait_for_parts(process, count):
    begin = time.monotonic()
    while len(list(Path("out.jsonl").glob("part-*"))) < count:
        assert time.monotonic() - begin < WAIT_S
        assert process.poll() is None
        time.sleep(0.002)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_job_is_continued_with_every_image_once(edgekit, many, tiny_artifact):
    names, arguments = many
    rng = random.Random(5)
    for count in (2, 12, 25):
        with started(*arguments, "--model", tiny_artifact) as process:
            wait_for_parts(process, count)
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
    finished = len(list(Path("out.jsonl").glob("part-*")))
    assert 0 < finished < 60
    code, _, err = edgekit("predict", *arguments, "--model", tiny_artifact)
    assert code == 3
    assert re.match(rf"out\.jsonl: ({finished}|{finished - 1}) of 60 shards are finished\n", err)  # killed between both
    written = rows(Path("out.jsonl"))
    assert [row["path"] for row in written] == names
    classifier = Classifier(tiny_artifact, threads=1)
    for row in written[:12]:
        assert ("error" in row) == (row["path"] in ("5.png", "7.png"))
        if "top" in row:
            assert row["top"] == classifier.predict(row["path"], top=1).to_dict()["top"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_states_how_to_continue_and_leaves_whole_parts(edgekit, many, tiny_artifact):
    names, arguments = many
    with started(*arguments, "--model", tiny_artifact) as process:
        wait_for_parts(process, 3)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert "interrupted; to continue: edgekit predict --list names.txt -o out.jsonl --shard-size 20" in err
    kept = json.loads(Path("out.jsonl/_manifest.json").read_text())["parts"]
    assert len(kept) >= 2  # the third part may be there, but not recorded yet
    assert not list(Path("out.jsonl").glob(".edgekit-*"))
    assert edgekit("predict", *arguments, "--model", tiny_artifact)[0] == 3
    assert [row["path"] for row in rows(Path("out.jsonl"))] == names


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_two_drivers_of_one_output_exclude_each_other(mistake, many, tiny_artifact):
    _, arguments = many
    with started(*arguments, "--model", tiny_artifact) as process:
        wait_for_parts(process, 1)
        process.send_signal(signal.SIGSTOP)
        code, line = mistake("predict", *arguments, "--model", tiny_artifact)
        process.send_signal(signal.SIGCONT)
        process.communicate()
    assert code == 1
    assert "out.jsonl: another edgekit is writing to it" in line
    assert process.returncode == 3


def test_predictions_without_output_load_nothing_of_it(folder, tiny_artifact):
    program = (
        "import sys; from edgekit.cli import main; sys.argv = ['edgekit', *sys.argv[1:]]\n"
        "try: main.main()\n"
        "finally: print([m for m in sys.modules if m.startswith(('edgekit.bulk', 'edgekit.shards', 'pyarrow'))])"
    )
    for images in (["1.png"], ["1.png", "2.png"], ["."]):
        command = [sys.executable, "-c", program, "predict", *images, "--model", str(tiny_artifact)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.splitlines()[-1] == "[]"


def test_the_local_engine_predicts_as_many_images_as_threads(folder, tiny_artifact, edgekit):
    write_photos(Path("photos"), 30)
    for threads in (1, 3):
        output = f"{threads}.jsonl"
        assert edgekit("predict", "photos", "-o", output, "--threads", threads, "--model", tiny_artifact)[0] == 0
    assert rows(Path("1.jsonl")) == rows(Path("3.jsonl"))
