"""The figure of a benchmark draws the names of models as they are, each in a row of its own."""

from pathlib import Path

import pytest
from made_names import HOSTILE_NAMES

from edgekit.bench.operators import OperatorShare
from edgekit.bench.result import BenchResult, Latency, NetworkLatency, SubjectResult
from edgekit.bench.subject import Subject
from edgekit.errors import printable, truncated
from edgekit.plots.bench import write_plot

LATENCY = NetworkLatency(threads=1, latency=Latency(p50_ms=2, p95_ms=3, p99_ms=4), peak_share=None)


def result(name):
    return SubjectResult(
        subject=Subject(name=name, path=Path("m.onnx"), model=b"", style="edgekit", info=None, feed={}),
        size_bytes=1,
        macs=1,
        cold_start_ms=1,
        session_ms=1,
        peak_memory_bytes=1,
        images_per_s=1,
        network=(LATENCY,),
        file_to_label=None,
        operators=(OperatorShare(kind="Conv", nodes=2, share=0.6), OperatorShare(kind="$1$", nodes=1, share=0.3)),
    )


@pytest.mark.filterwarnings("ignore:.* lacks characters")
def test_write_plot_draws_names_literally(tmp_path, drawn_texts):
    bench = BenchResult(subjects=tuple(map(result, HOSTILE_NAMES)), speedups=(), peaks={}, noise=0)
    write_plot(bench, tmp_path / "bench.svg")
    texts = drawn_texts(tmp_path / "bench.svg")
    for name in HOSTILE_NAMES:
        assert texts.count(truncated(printable(name), 40)) == 2, "in the legend and beside its row"
    assert {"$1$", "$1$ 30%"} <= set(texts)


def test_write_plot_has_a_row_for_each_of_two_models_of_one_name(tmp_path, drawn_texts):
    bench = BenchResult(subjects=(result("same"), result("same")), speedups=(), peaks={}, noise=0)
    write_plot(bench, tmp_path / "bench.svg")
    assert drawn_texts(tmp_path / "bench.svg").count("same") == 4
