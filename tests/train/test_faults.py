"""Training processes that are killed, interrupted, or lose another process of their job."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekit.files import sha256
from edgekit.train.checkpoint import load_checkpoint

COMMON = ("--model", "lenet5", "--epochs", "30", "--batch-size", "8", "--learning-rate", "0.02", "--rotate", "10")


def command(data, folder, *options, common=COMMON):
    return [*(sys.executable, "-m", "edgekit", "train", str(data), "--run", str(folder)), *common, *options]


def environment():
    """The environment with one thread, because sums in another order differ in their last bits."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def finish(arguments, **options):
    return subprocess.run(arguments, env=environment(), capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, image_folder):
    """A complete run: the total seconds of its epochs, and its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = finish(command(image_folder, folder, "--json"))
    assert done.returncode == 0, done.stderr
    return sum(json.loads(line)["seconds"] for line in done.stdout.splitlines()), folder


@pytest.mark.slow
def test_train_ends_in_the_same_weights_after_five_kills_at_random_moments(tmp_path, image_folder, undisturbed):
    seconds, whole = undisturbed
    moments = random.Random()  # different ones in every run of this test; a failure lists the files that each kill left
    kills = []
    while len(kills) < 5:
        for begun in tmp_path.glob("environment.json"):
            begun.unlink()  # written anew when the epochs begin
        process = subprocess.Popen(
            command(image_folder, tmp_path, "--resume"),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not (tmp_path / "environment.json").exists() and process.poll() is None:
            time.sleep(0.01)
        try:
            process.wait(moments.uniform(0.0, 0.6) * seconds)
            shutil.rmtree(tmp_path)  # the run ended before it was killed: start again
            tmp_path.mkdir()
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills.append(sorted(path.name for path in tmp_path.iterdir()))
    done = finish(command(image_folder, tmp_path, "--resume"))
    assert done.returncode == 0, done.stderr
    digests = {sha256((folder / "model.safetensors").read_bytes()) for folder in (tmp_path, whole)}
    assert len(digests) == 1, kills


@pytest.mark.slow
def test_train_saves_and_exits_130_at_ctrl_c(tmp_path, image_folder):
    process = subprocess.Popen(
        [*command(image_folder, tmp_path, "--json"), "--epochs", "1000"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()  # the first epoch is over
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted; saving after this step" in stderr
    assert "state saved to" in stderr
    assert stderr.splitlines()[-1].startswith("interrupted; to continue: edgekit train ")
    assert stderr.splitlines()[-1].endswith(" --resume")
    assert load_checkpoint(tmp_path / "last.safetensors").state["epoch"] >= 1


def torchrun(data, folder, *options, common=COMMON):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    _, module, *arguments = command(data, folder, *options, common=common)
    return [
        *launcher,
        "--master-port",
        port,
        module,
        "--",
        *arguments,
    ]  # else torchrun takes --run for its own


@pytest.mark.slow
def test_train_in_two_processes_ends_in_the_weights_of_one(tmp_path, image_folder):
    """Within 1e-5 in every weight after 27 steps: each step has the same images, only the order of sums differs."""
    uneven = shutil.copytree(image_folder, tmp_path / "uneven")
    for image in sorted((uneven / "train/line").iterdir())[8:]:
        image.unlink()
    options = ("--epochs", "3", "--balance", "sampler", "--monitor", "macro-recall")
    alone = finish(command(uneven, tmp_path / "one", *options))
    assert alone.returncode == 0, alone.stderr
    done = finish(torchrun(uneven, tmp_path / "two", *options))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 3/3") == 1  # the first process alone reports
    one, two = (load_checkpoint(folder / "model.safetensors") for folder in (tmp_path / "one", tmp_path / "two"))
    difference = max(float((one.tensors[name] - t).abs().max()) for name, t in two.tensors.items())
    assert difference <= 1e-5
    assert one.state["val_accuracy"] == pytest.approx(two.state["val_accuracy"], abs=0.04)  # one image of 30


@pytest.mark.slow
def test_train_in_two_processes_shares_the_features_of_a_frozen_body(tmp_path, image_folder, undisturbed):
    weights = undisturbed[1] / "model.safetensors"
    head = ("--tune", "head", "--weights", str(weights), "--epochs", "2")
    for options in (("--rotate", "0"), ("--feature-copies", "2")):  # only copies are rotated
        folders = [tmp_path / f"{name}{options[0]}" for name in ("one", "two")]
        alone = finish(command(image_folder, folders[0], *head, *options))
        assert alone.returncode == 0, alone.stderr
        done = finish(torchrun(image_folder, folders[1], *head, *options))
        assert done.returncode == 0, done.stderr
        one, two = (load_checkpoint(folder / "model.safetensors") for folder in folders)
        assert max(float((one.tensors[name] - t).abs().max()) for name, t in two.tensors.items()) <= 1e-5


@pytest.mark.slow
def test_train_in_two_processes_solves_for_the_head_of_one(tmp_path, image_folder, undisturbed):
    head = ("--model", "lenet5", "--tune", "head", "--weights", str(undisturbed[1] / "model.safetensors"), "--mirror")
    alone = finish(command(image_folder, tmp_path / "one", common=head))
    assert alone.returncode == 0, alone.stderr
    done = finish(torchrun(image_folder, tmp_path / "two", common=head))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cross-validation on 84 features") == 1
    one, two = (load_checkpoint(folder / "model.safetensors") for folder in (tmp_path / "one", tmp_path / "two"))
    assert max(float((one.tensors[name] - t).abs().max()) for name, t in two.tensors.items()) <= 1e-4
    assert one.state["val_accuracy"] == two.state["val_accuracy"]


@pytest.mark.slow
def test_train_reports_a_dead_worker_in_one_line(tmp_path, image_folder):
    process = subprocess.Popen(
        [*command(image_folder, tmp_path, "--json"), "--epochs", "10000"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    while not (loaders := _children(process.pid)):  # a new one is started for each epoch
        time.sleep(0.001)
    os.kill(loaders[-1], signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "use fewer --workers" in stderr.splitlines()[-1]


@pytest.mark.slow
def test_train_ends_within_a_minute_of_a_dead_process_and_resumes(tmp_path, image_folder):
    job = subprocess.Popen(
        torchrun(image_folder, tmp_path, "--epochs", "10000", "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    job.stdout.readline()
    began = time.monotonic()
    os.kill(_children(job.pid)[-1], signal.SIGKILL)
    job.communicate(timeout=60)
    assert job.returncode != 0
    assert time.monotonic() - began < 60
    reached = load_checkpoint(tmp_path / "last.safetensors").state["epoch"]
    assert reached >= 1
    again = subprocess.Popen(
        torchrun(image_folder, tmp_path, "--epochs", "10000", "--json", "--resume"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    first = json.loads(again.stdout.readline())
    again.terminate()
    again.communicate(timeout=60)
    assert first["epoch"] == reached + 1


def _children(pid):
    """The ids of the processes that a process started, from /proc."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted(map(int, children))
