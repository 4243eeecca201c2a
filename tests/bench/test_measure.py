"""A complete benchmark, and how noisy the machine was."""

import numpy as np
import pytest

from edgekit.bench.measure import measure, noise, steps
from edgekit.bench.result import BenchResult
from edgekit.bench.subject import open_naive, open_subject
from edgekit.image.synthetic import write_synthetic_photo
from edgekit.zoo.specs import SPECS


def test_measure_reports_every_figure(tmp_path):
    subject = open_subject("lenet5-mnist-int8")
    calls = []
    bench = measure(
        [open_naive(subject), subject],
        {1: 0},
        image=write_synthetic_photo(tmp_path),
        threads=[1],
        rounds=6,
        on_step=lambda: calls.append(1),
    )
    assert len(calls) == steps(6)
    naive, ours = bench.to_dict()["models"]
    assert (naive["style"], naive["network"][0]["threads"]) == ("naive", 0)
    for model in (naive, ours):
        assert model["macs"] == SPECS["lenet5"].macs
        assert model["cold_start_ms"] > model["session_ms"] > 0
        assert 20e6 < model["peak_memory_bytes"] < 2e9
        latency = model["network"][0]["latency"]
        assert 0 < latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]
        assert model["file_to_label"]["p50_ms"] > 0
        assert model["network"][0]["peak_share"] > 0
    figures = {speedup["what"] for speedup in bench.to_dict()["speedups"]}
    assert figures == {"cold start", "session", "network, 1 thread", "file to label", "throughput"}


def test_noise_is_the_largest_variation_of_a_matrix_product():
    steady, rising = np.ones((10, 3)), np.linspace(1, 2, 10)[:, None] * np.ones(3)
    models = {(0, "network", 1): rising * 9}  # models do not count, only the machine's own products
    assert noise(models | {(-1, "float32", 1): steady, (-1, "int8", 1): steady}) == 0
    disturbed = noise(models | {(-1, "float32", 1): steady, (-1, "int8", 2): rising})
    assert disturbed == pytest.approx(0.8 / 1.5)
    assert BenchResult(subjects=(), speedups=(), peaks={}, noise=disturbed).to_dict()["noisy"]
