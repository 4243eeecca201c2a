"""`edgekit quantize` and `edgekit verify` from the command line."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_networks import conv_network, network_info, noise, write_network
from made_precisions import in_int8
from PIL import Image

from edgekit import Classifier
from edgekit.artifact.info import read_info, write_info
from edgekit.runtime.targets import target_named, this_machine


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("network") / "network.onnx")


@pytest.fixture(scope="module")
def photos(tmp_path_factory, network) -> Path:
    """Bare images, with a table of what the network says of them beside the folder."""
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    lines, classifier = ["file,label"], Classifier(network)
    for number, image in enumerate(noise(40)):
        Image.fromarray(image[0]).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{classifier.predict(image[0]).label}")
    (folder.parent / "truth.csv").write_text("\n".join(lines))
    return folder


def edgekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def copied(network: Path, folder: Path) -> Path:
    model = folder / "network.onnx"
    model.write_bytes(network.read_bytes())
    return model


@pytest.mark.slow
def test_quantize_needs_only_a_folder(network, photos, tmp_path):
    model = copied(network, tmp_path)
    options = ("--calibration", photos, "--samples", 10, "--min-speedup", 0)
    done = edgekit("quantize", model, *options, "--truth", photos.parent / "truth.csv", "--max-drop", 100)
    written = tmp_path / "network-int8.onnx"
    assert (done.returncode, read_info(written).precision) == (0, "int8")
    rows = done.stdout.splitlines()
    assert rows[0].split()[:2] == ["scheme", "top-1"]
    assert rows[2].split()[:2] == ["float32", "100.00%"]
    verdict, change, doubt = rows[-3:]
    assert [row.split()[0] for row in (rows[3], verdict)] == ["int8", "int8"]  # 80 columns: the table is in two parts
    assert verdict.split()[-1] == "unproven"
    assert change.startswith("int8 for ")
    assert change.endswith(" percentage points of top-1 (95% interval) on 30 held-out images")
    assert doubt.startswith("unproven: 30 held-out images resolve +-")
    inspected = " ".join(edgekit("inspect", written).stdout.split())
    assert doubt.removeprefix("unproven: ") in inspected
    assert change.partition(": ")[2].removesuffix(" on 30 held-out images") in inspected
    assert "note: no temperature is fitted: it needs 200 labeled images (got 30" in done.stderr
    assert read_info(written).temperature is None
    assert f"wrote {written}" in done.stderr
    again = edgekit("quantize", model, *options)
    assert (again.returncode, again.stdout) == (2, "")
    assert "already exists" in again.stderr


@pytest.mark.slow
def test_quantize_fits_a_temperature_to_a_fifth_of_the_labeled_images(network, write_drawn, tmp_path):
    model, data = copied(network, tmp_path), write_drawn(network, 230, temperature=0.5)
    options = ("--calibration", data, "--samples", 10, "--min-speedup", 0, "--max-drop", 100, "--scheme", "int8")
    done = edgekit("quantize", model, *options, "-o", tmp_path / "fitted.onnx")
    info = read_info(tmp_path / "fitted.onnx")
    assert (info.temperature_fit["images"], info.metrics["images"], info.metrics["ece_images"]) == (100, 220, 120)
    assert f"temperature {info.temperature:.3g} (95% interval " in done.stdout
    assert "no temperature" not in done.stderr
    done = edgekit("quantize", model, *options, "--json", "-o", tmp_path / "again.onnx")
    assert json.loads(done.stdout)["temperature"] == info.temperature
    done = edgekit("quantize", model, *options, "--no-temperature", "--json", "-o", tmp_path / "plain.onnx")
    assert json.loads(done.stdout)["temperature"] is None
    assert read_info(tmp_path / "plain.onnx").metrics.keys() == {"images", "top1", "top5"}
    assert "no temperature" not in done.stderr


@pytest.mark.parametrize("option", ["--max-drop", "--min-speedup", "--min-agreement", "--max-divergence"])
def test_quantize_refuses_limits_that_are_not_numbers(option, network, photos):
    done = edgekit("quantize", network, "--calibration", photos, "-o", "x.onnx", option, "nan")
    assert (done.returncode, done.stdout) == (2, "")
    assert option in done.stderr


@pytest.mark.slow
def test_quantize_of_an_int8_file_compares_it_with_the_float32_model(network, photos, tmp_path):
    int8, options = tmp_path / "int8.onnx", ("--calibration", photos, "--samples", 10, "--min-speedup", 0)
    info = dataclasses.replace(network_info(), precision="int8")
    write_info(in_int8("QDQ").SerializeToString(), info, int8)
    done = edgekit("quantize", int8, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to quantize: all 5 layers are int8 already; " in done.stderr
    assert "set --against to that model and leave out --scheme" in done.stderr
    done = edgekit("quantize", int8, *options, "--against", network, "-o", tmp_path / "judged.onnx")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[2:4]] == ["float32", "unchanged"]
    assert f"note: {int8}: all 5 layers are int8 already, so the model is compared, not quantized" in done.stderr
    assert f"wrote {tmp_path / 'judged.onnx'} (unchanged); " in done.stderr


def test_quantize_never_replaces_the_float32_file(network, photos):
    before = network.read_bytes()
    done = edgekit("quantize", network, "--calibration", photos, "--samples", 10, "-o", network, "--min-speedup", 0)
    assert (done.returncode, done.stdout) == (2, "")
    assert "would replace the input file" in done.stderr
    assert network.read_bytes() == before


@pytest.mark.slow
def test_quantize_shows_every_trial_and_exits_6_when_the_gate_refuses(network, photos, tmp_path):
    model = copied(network, tmp_path)
    options = ("--calibration", photos, "--samples", 10, "--min-speedup", 1000, "--scheme", "int8-per-tensor")
    done = edgekit("quantize", model, *options, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["path"], len(document["tried"])) == (6, None, 1)
    assert "`min_speedup`" in document["tried"][0]["failures"][-1]
    assert "--min-speedup" in done.stderr
    assert "nothing was written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx"]
    done = edgekit("quantize", model, *options, "--allow-worse", "-o", tmp_path / "worse.onnx")
    assert done.returncode == 0
    assert "failed the quality gate" in done.stderr
    for command in (("inspect", tmp_path / "worse.onnx"), ("predict", photos / "0.png", "--model", "worse.onnx")):
        shown = subprocess.run(
            [sys.executable, "-m", "edgekit", *map(str, command)], cwd=tmp_path, capture_output=True, text=True
        )
        assert "did not pass the quality gate" in shown.stdout + shown.stderr


def test_quantize_exits_6_for_what_is_unproven_if_it_is_strict(network, photos, tmp_path):
    model = copied(network, tmp_path)
    options = ("--calibration", photos, "--samples", 10, "--min-speedup", 0, "--min-agreement", 0, "--strict")
    done = edgekit("quantize", model, *options, "--json")
    (trial,) = json.loads(done.stdout)["tried"]  # no other scheme could be proven by 30 images
    assert (done.returncode, trial["verdict"]) == (6, "rejected")
    assert trial["failures"][0].startswith("is unproven (30 held-out images resolve +-")
    assert "about 200 would settle it), which --strict rejects; nothing was written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx"]


def test_quantize_for_a_device_shows_no_speed_and_how_to_measure_it(network, photos, tmp_path):
    model = copied(network, tmp_path)
    data = ("--calibration", photos, "--truth", photos.parent / "truth.csv", "--samples", 10, "--max-drop", 100)
    device = "raspberry-pi-5" if this_machine().name != "arm64" else "x86"
    name = target_named(device).name
    done = edgekit("quantize", model, *data, "--target", device, "-o", tmp_path / "other.onnx")
    assert (done.returncode, read_info(tmp_path / "other.onnx").target) == (0, name)
    header, _, float32, int8 = done.stdout.splitlines()[:4]
    assert "speedup" in header
    assert " ms" not in header
    assert float32.split()[:2] == ["float32", "100.00%"]
    assert "not measured here" in int8
    lines = done.stderr.splitlines()
    assert f"note: {device} is the target {name}" in lines
    assert "speed is not measured here, and --min-speedup not checked: the model is for" in done.stderr
    assert f"wrote {tmp_path / 'other.onnx'} (int8 for {name}); next: edgekit predict" in done.stderr
    kit = f"edgekit bundle {tmp_path / 'other.onnx'} --for python --bench -o other-kit"
    assert lines[-1] == f"its speed on the device: {kit}"


def test_quantize_for_a_browser_claims_no_speed(network, photos, tmp_path):
    model = copied(network, tmp_path)
    options = ("--calibration", photos, "--samples", 10, "--target", "browser", "--min-agreement", 0, "--json")
    done = edgekit("quantize", model, *options)
    document = json.loads(done.stdout)
    assert [trial["recipe"] for trial in document["tried"]] == ["int8-weights"]
    assert (document["schema"], document["recipe"]) == (3, "int8-weights")
    verdict = {name: document["tried"][0][name] for name in ("verdict", "min_agreement", "schemes_tried", "failures")}
    assert verdict == {"verdict": "unproven", "min_agreement": 0, "schemes_tried": 1, "failures": []}
    assert document["tried"][0]["doubt"].startswith("30 held-out images resolve +-")
    assert (document["target"], document["tried"][0]["latency"]) == ("web", None)
    assert done.stderr.splitlines()[-1] == "its speed on the device: bench.html of that bundle"
    inspected = edgekit("inspect", tmp_path / "network-int8.onnx").stdout
    assert "by int8-weights for web" in " ".join(inspected.split())


def test_verify_a_model_with_itself_and_with_another(network, photos, tmp_path):
    other = write_network(tmp_path / "other.onnx", conv_network(seed=3))
    same = edgekit("verify", network, network, photos)
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.startswith("same label on 100.00% of 40 images")
    done = edgekit("verify", network, other, photos, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 6
    assert document["images"] == 40
    assert 0 < len(document["flips"]) == round(40 * (1 - document["agreement"]))
    assert {"image", "first", "second"} == set(document["flips"][0])
    assert edgekit("verify", network, other, photos, "--tolerance", 1).returncode == 0
    assert edgekit("verify", network, other, photos, "--tolerance", 1, "--max-difference", 0).returncode == 6
