"""Runs that fit and end; what runs away is tested with the hostile models."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import made_models
import numpy as np
import pytest
from made_models import tiny_model, write_tiny

from edgekit import Classifier
from edgekit.errors import ArtifactError, SpecError
from edgekit.runtime.run_limits import MEMORY_VARIABLE, _Runs, run, run_megabytes
from edgekit.runtime.session import SessionOptions, open_session

WAIT_S = 10
PIXELS = np.zeros((1, 8, 10, 3), np.uint8)


@pytest.fixture(scope="module")
def session():
    return open_session(tiny_model().SerializeToString(), name="tiny", options=SessionOptions(threads=1))


def test_a_run_alone_waits_for_the_others():
    runs, order = _Runs(), []

    def alone():
        with runs.place(alone=True):
            order.append("alone")

    with runs.place(alone=False):
        waiting = threading.Thread(target=alone)
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "alone"]


def test_what_does_not_fit_beside_others_is_tried_alone_and_refused_then(session, monkeypatch):
    asked = []

    def exhausted(*arguments, **options):
        asked.append(arguments)
        raise RuntimeError("Available memory of 5 is smaller than requested bytes of 6")

    monkeypatch.setattr("edgekit.runtime.run_limits._timed", exhausted)
    with pytest.raises(ArtifactError, match="more than 512 MB; EDGEKIT_RUN_MEMORY_MB"):
        run(session, ["logits"], {"pixels": PIXELS}, limit_s=1)
    assert len(asked) == 3


def test_a_run_alone_gets_its_turn_under_steady_load(monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "2")
    runs, over, entered = _Runs(), threading.Event(), threading.Event()

    def load():
        while not over.is_set():
            with runs.place(alone=False):
                time.sleep(0.002)

    def alone():
        with runs.place(alone=True):
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
    with runs.place(alone=True):
        pass  # all places are free again


def test_what_was_kept_for_runs_of_other_sizes_is_given_back(tmp_path):
    """In a process of its own, since the arena is one for all: each network alone fits, all that they left does not."""
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


def test_a_run_that_fails_gives_its_place_back(session):
    for _ in range(50):
        with pytest.raises(Exception, match="nothing"):
            run(session, ["nothing"], {"pixels": PIXELS}, limit_s=1)
    assert run(session, ["logits"], {"pixels": PIXELS}, limit_s=1)[0].shape == (1, 4)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "99999999999"])
def test_the_roof_must_be_a_number(monkeypatch, value):
    monkeypatch.setenv(MEMORY_VARIABLE, value)
    with pytest.raises(SpecError, match="EDGEKIT_RUN_MEMORY_MB must be a whole number"):
        run_megabytes()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_runs_still_predicts(tmp_path):
    classifier, over = Classifier(write_tiny(tmp_path / "tiny.onnx"), threads=1), threading.Event()

    def busy():
        while not over.is_set():
            classifier.logits(PIXELS)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                os._exit(0 if classifier.logits(PIXELS).shape == (1, 4) else 1)
            deadline = time.monotonic() + 30
            while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
                assert time.monotonic() < deadline, "the child hangs"
                time.sleep(0.01)
            assert ended[1] == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
