"""`edgekit bench` from the command line."""

import json

import pytest
from made_device import ROUNDS, device_document, device_model
from PIL import Image

from edgekit.files import sha256
from edgekit.hub.model_files import model_path

_MODELS = ("lenet5-mnist", "lenet5-mnist-int8")


@pytest.fixture
def device(tmp_path):
    """A function that writes device.json of a device on which the second model takes 4 ms instead of 10."""

    def write(**changes):
        digests = [sha256(model_path(name).read_bytes()) for name in _MODELS]
        models = [device_model(name, sha256=d, ms=ms) for name, d, ms in zip(_MODELS, digests, (10, 4), strict=True)]
        path = tmp_path / "device.json"
        path.write_text(json.dumps(device_document(*models) | changes), encoding="utf-8")
        return path

    return write


def test_bench_prints_tables_and_writes_a_plot(edgekit, tmp_path):
    plot = tmp_path / "bench.png"
    code, out, err = edgekit(
        "bench", "lenet5-mnist-int8", "--against", "fp32", "--rounds", 6, "--threads", 1, "--plot", plot
    )
    assert code == 0
    assert all(
        message in out for message in ("cold start", "p99", "share of peak", "file to label", "QLinearConv", "interval")
    )
    assert f"wrote {plot}" in err
    assert Image.open(plot).width > 500


def test_bench_accepts_a_third_party_file(edgekit, shared):
    plain = shared / "weights/mobilenet_v2_imagenet_plain.onnx"
    code, out, _ = edgekit("bench", plain, "--rounds", 6, "--threads", 1, "--json")
    result = json.loads(out)["models"][0]
    assert code == 0
    assert result["file_to_label"] is None
    assert result["network"][0]["latency"]["p50_ms"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("bench", "missing.onnx"), 4, "missing.onnx"),
        (("bench", "lenet5-mnist", "--against", "fp32"), 4, "does not state its float32 parent"),
        (("bench", "lenet5-mnist", "--threads", "0"), 2, "--threads must be integers from 1 to 256"),
        (("bench", "lenet5-mnist", "--image", "missing.jpg"), 1, "error: missing.jpg: cannot be opened"),
        (("bench", "photos/red/0.png"), 4, "0.png"),
        (("bench", "lenet5-mnist", "--plot", "bench.jpgg"), 2, "--plot 'bench.jpgg': the file to write must end"),
    ],
)
def test_bench_reports_a_mistake_in_one_line(mistake, photos, monkeypatch, arguments, code, message):
    monkeypatch.chdir(photos.parent)
    exit_code, err = mistake(*arguments)
    assert exit_code == code
    assert message in err


def test_bench_shows_what_a_device_measured(edgekit, device):
    code, out, err = edgekit("bench", "--device", device())
    assert (code, err) == (0, "")
    assert "device: Raspberry Pi 5 Model B Rev 1.0, Cortex-A76, 4 cores, aarch64, asimddp, 8.0 GiB of memory" in out
    assert "measured 2026-11-28T09:00:00Z on Linux 6.6.31 with onnxruntime 1.31.1" in out
    assert "temperature: 45 to 62 degrees Celsius" in out
    assert "clock: 2390 to 2400 MHz" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["lenet5-mnist-int8", "2", "2.000", "1.800", "to", "2.400"] in rows
    assert ["lenet5-mnist-int8", "1", "2.50", "(2.50", "to", "2.50)"] in rows
    assert "here" not in out


@pytest.mark.slow
def test_bench_shows_a_device_beside_this_machine(edgekit, device):
    models = (_MODELS[1], _MODELS[0])  # the speedups are over the first that is named
    code, out, _ = edgekit("bench", "--device", device(), *models, "--rounds", 6, "--threads", 1)
    rows = [line.split() for line in out.splitlines()]
    (latency,) = (row for row in rows if row[:3] == ["lenet5-mnist-int8", "1", "4.000"])
    assert code == 0
    assert 0 < float(latency[-1]) < 4
    (other,) = (row for row in rows if row[:3] == ["lenet5-mnist-int8", "2", "2.000"])
    assert other[-1] == "-"  # not measured here
    (speedup,) = (row for row in rows if row[:3] == ["lenet5-mnist", "1", "0.40"])
    assert float(speedup[-4]) > 0


def test_bench_prints_a_device_as_json(edgekit, device):
    code, out, _ = edgekit("bench", "--device", device(), "--json")
    document = json.loads(out)
    assert code == 0
    assert [model["name"] for model in document["device"]["models"]] == list(_MODELS)
    assert document["device"]["speedups"][0]["times"]["value"] == pytest.approx(2.5)
    assert len(document["device"]["models"][0]["network"][0]["rounds_ms"]) == ROUNDS
    assert document["here"] is None


@pytest.mark.parametrize(("architecture", "noted"), [("aarch64", False), ("x86_64", True), ("wasm", True)])
def test_bench_notes_a_model_for_another_processor_than_the_device_has(edgekit, device, architecture, noted):
    document = device_document(device_model("pi") | {"target": "arm64"})
    document["device"]["architecture"] = architecture
    _, _, err = edgekit("bench", "--device", device(**document))
    assert (f"pi is made for arm64: on {architecture} it is computed exactly, but slowly" in err) is noted


def test_bench_reports_wrong_results_and_disturbances_of_a_device(edgekit, device):
    wrong = device_model("wrong", sha256="0" * 64) | {"session_ms": None, "cold_start_ms": None, "network": []}
    wrong["golden"] |= {"passed": False, "largest_difference": 3.5}
    conditions = {"temperature_c": None, "frequency_mhz": None, "throttled": True, "drift": 1.4}
    code, out, err = edgekit("bench", "--device", device(models=[wrong], conditions=conditions))
    assert code == 0
    assert "WRONG" in out
    assert "wrong computed something else on the device than here (logits differ by 3.5)" in err
    assert "the device throttled its processor" in err
    assert "the last rounds took 1.40 times as long as the first" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("resnet20-cifar10.onnx",), 4, "resnet20-cifar10.onnx"),
        (("mobilenet_v2-cifar10",), 2, "has no figures of this file (it has: lenet5-mnist, lenet5-mnist-int8)"),
        (("--against", "naive"), 2, "--against is not for --device"),
        (("--plot", "a.png"), 2, "--plot is not for --device"),
    ],
)
def test_bench_with_a_device_reports_a_mistake_in_one_line(mistake, device, arguments, code, message):
    exit_code, err = mistake("bench", "--device", device(), *arguments)
    assert exit_code == code
    assert message in err


def test_bench_names_the_wrong_value_of_a_device_file(mistake, device):
    exit_code, err = mistake("bench", "--device", device(settings={"rounds": 0}))
    assert exit_code == 1
    assert "device.json: settings.rounds must be an integer from 1 to 1000 (got 0)" in err


def test_bench_without_a_model_names_what_it_needs(mistake):
    exit_code, err = mistake("bench")
    assert exit_code == 2
    assert "name a model to measure, or --device FILE" in err
