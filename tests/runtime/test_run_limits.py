"""Runs within the limits; runaway ones are tested with the hostile models."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import made_models
import numpy as np
import pytest
from made_forks import forked
from made_models import tiny_model, write_tiny

from edgekit import Classifier
from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.run_limits import MEMORY_VARIABLE, _Runs, run, run_megabytes, runs_until
from edgekit.runtime.session import SessionOptions, open_session

WAIT_S = 10
PIXELS = np.zeros((1, 8, 10, 3), np.uint8)


@pytest.fixture(scope="module")
def session():
    return open_session(tiny_model().SerializeToString(), name="tiny", options=SessionOptions(threads=1))


def test_run_alone_waits_for_the_others():
    runs, order = _Runs(), []

    def alone():
        with runs.slot(alone=True):
            order.append("alone")

    with runs.slot(alone=False):
        waiting = threading.Thread(target=alone)
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "alone"]


def test_run_that_does_not_fit_beside_others_is_tried_alone_and_then_refused(session, monkeypatch):
    asked = []

    def exhausted(*arguments, **options):
        asked.append(arguments)
        raise RuntimeError("Available memory of 5 is smaller than requested bytes of 6")

    monkeypatch.setattr("edgekit.runtime.run_limits._timed", exhausted)
    with pytest.raises(
        ArtifactError, match="inference needs more than 512 MB; raise the limit with EDGEKIT_RUN_MEMORY_MB"
    ):
        run(session, ["logits"], {"pixels": PIXELS}, limit_s=1)
    assert len(asked) == 3


def test_run_is_stopped_at_the_deadline_of_its_thread():
    model = next(model for name, model, _ in made_models.runaway_models() if name == "2000-products")
    session = open_session(model.SerializeToString(), name="long", options=SessionOptions(threads=1))
    begin = time.monotonic()
    with pytest.raises(ArtifactError, match="inference took more than 0 s and was stopped"), runs_until(begin + 0.1):
        run(session, ["logits"], {"pixels": PIXELS}, limit_s=600)
    assert time.monotonic() - begin < 20


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="a process cannot be stopped on Windows")
def test_time_in_which_the_process_is_stopped_does_not_count():
    program = """
import sys, time
import onnxruntime
from edgekit.runtime.run_limits import _watch
options = onnxruntime.RunOptions()
_watch.begin(options, 2.0)
print("begun", flush=True)
sys.stdin.readline()
time.sleep(1)  # two checks
print(options.terminate, flush=True)
time.sleep(2)
print(options.terminate, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGSTOP)
        time.sleep(4)
        child.send_signal(signal.SIGCONT)
        output, _ = child.communicate("\n")
    assert output == "False\nTrue\n"


def test_deadline_is_that_of_the_thread_and_ends_with_its_context(monkeypatch):
    limits = []
    monkeypatch.setattr(
        "edgekit.runtime.run_limits._timed", lambda session, names, feed, limit_s, **_: limits.append(limit_s)
    )
    with runs_until(time.monotonic() + 100):
        run(None, [], {}, limit_s=60)
        run(None, [], {}, limit_s=600)
        other = threading.Thread(target=run, args=(None, [], {}), kwargs={"limit_s": 600})
        other.start()
        other.join()
    run(None, [], {}, limit_s=600)
    assert limits == [60, pytest.approx(100, abs=5), 600, 600]


def test_run_alone_gets_its_turn_under_steady_load(monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "2")
    runs, over, entered = _Runs(), threading.Event(), threading.Event()

    def load():
        while not over.is_set():
            with runs.slot(alone=False):
                time.sleep(0.002)

    def alone():
        with runs.slot(alone=True):
            entered.set()

    busy = [threading.Thread(target=load) for _ in range(6)]
    for thread in busy:
        thread.start()
    threading.Thread(target=alone).start()
    came = entered.wait(WAIT_S)
    over.set()
    for thread in busy:
        thread.join()
    assert came
    with runs.slot(alone=True):
        pass  # all slots are free again


def test_arena_releases_what_it_kept_for_runs_of_other_sizes(tmp_path):
    """In a child process, because there is one arena for all: each network fits alone, but not all that they leave."""
    program = """
import sys
import numpy as np
from made_models import exp_model
from edgekit.runtime.run_limits import run
from edgekit.runtime.session import SessionOptions, open_session
for megabytes in (5, 11, 23, 45):
    session = open_session(exp_model().SerializeToString(), name="exp", options=SessionOptions(threads=1))
    run(session, ["z"], {"x": np.zeros(megabytes * 2**18, np.float32)}, limit_s=60)
print("done")
"""
    environment = os.environ | {
        MEMORY_VARIABLE: "128",
        "PYTHONPATH": str(Path(made_models.__file__).parent),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_run_that_fails_releases_its_slot(session):
    for _ in range(50):
        with pytest.raises(Exception, match="nothing"):
            run(session, ["nothing"], {"pixels": PIXELS}, limit_s=1)
    assert run(session, ["logits"], {"pixels": PIXELS}, limit_s=1)[0].shape == (1, 4)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "99999999999"])
def test_memory_limit_must_be_an_integer(monkeypatch, value):
    monkeypatch.setenv(MEMORY_VARIABLE, value)
    with pytest.raises(SpecError, match="`EDGEKIT_RUN_MEMORY_MB` must be an integer from 16 to 1048576"):
        run_megabytes()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_forked_during_runs_predicts(tmp_path):
    classifier, over = Classifier(write_tiny(tmp_path / "tiny.onnx"), threads=1), threading.Event()

    def busy():
        while not over.is_set():
            classifier.logits(PIXELS)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = forked(lambda: int(classifier.logits(PIXELS).shape != (1, 4)))
            deadline = time.monotonic() + 30
            while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
                assert time.monotonic() < deadline, "the child hangs"
                time.sleep(0.01)
            assert ended[1] == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
