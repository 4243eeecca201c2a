"""`edgekit bench` from the command line."""

import json

import pytest
from PIL import Image


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
