"""The commands of docs/guides/raspberry-pi.md that a person types on the Raspberry Pi."""

import shutil
from pathlib import Path

import pytest
from made_environments import ROOT
from made_pages import blocks

from edgekit.bench.device import read_device
from edgekit.bundle.write import write_bundle
from edgekit.files import sha256
from edgekit.hub.model_files import model_path

_PAGE = ROOT / "docs/guides/raspberry-pi.md"
_ON_THE_PI = "on the Raspberry Pi; tests/arm64 runs these commands on an emulated one"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The home directory of the Pi after the page's `scp`. Small models, because emulation is slow."""
    folder = tmp_path_factory.mktemp("home")
    write_bundle(["mobilenet_v2-cifar10-int8"], folder / "pi", platform="python")
    write_bundle(["lenet5-mnist"], folder / "kit", platform="python", count=3, bench=True)
    shutil.copy(ROOT / "examples/ship.png", folder / "photo.jpg")  # formats are known by content
    return folder


@pytest.mark.slow
def test_commands_of_the_page_run_on_a_raspberry_pi(pi5, home):
    classify, measure = (block.text for block in blocks(_PAGE) if block.not_run == _ON_THE_PI)

    done = pi5.shell(classify, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("passed", "failed"))] == [
        ["passed", f"{stage}:"] for stage in ("decoding", "preprocessing", "network", "labels")
    ]
    assert "largest difference 0," in done.stdout
    assert lines[lines.index("photo.jpg") + 1].split()[1:] == ["ship"]

    shorter = measure.replace("bench.pyz", "bench.pyz --no-micro-graphs")  # an emulated processor takes hours for them
    done = pi5.shell(f". venv/bin/activate\n{shorter}", cwd=home)
    assert done.returncode == 0, done.stderr
    device = read_device(home / "device.json")
    assert (device.name, device.processor) == ("Raspberry Pi 5 Model B Rev 1.0", "Cortex-A76")
    assert device.architecture == "aarch64"
    assert "asimddp" in device.features
    (model,) = device.models
    assert model.sha256 == sha256(model_path("lenet5-mnist").read_bytes())
    assert model.passed
    assert all(0.1 < latency.spread.median < 1000 for latency in model.network)
    assert model.cold_start.median > model.session.median


@pytest.mark.slow
def test_bundle_proves_itself_without_dot_products(pi4, home):
    done = pi4.run("pi/classify.pyz", "--self-test", cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed") == 4
