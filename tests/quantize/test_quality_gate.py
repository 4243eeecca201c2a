"""The gate at its limits, and what it says."""

import dataclasses

import numpy as np
import pytest

from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.parity import Parity
from edgekit.evaluate.timing import PairedLatency
from edgekit.quantize import targets
from edgekit.quantize.quality_gate import Gate, HeldOutResult, gate_failures
from edgekit.quantize.schemes import SEARCH_ORDER, scheme_named
from edgekit.quantize.targets import target_named, this_machine


def result(*, lost: int = 0, won: int = 0, speedup: float = 2.0, labeled: bool = True, agreement: float = 1.0):
    """The result of 1,000 images, of which the parent has the first 900 right."""
    right = np.arange(1000) < 900
    child = right.copy()
    child[:lost], child[900 : 900 + won] = False, True

    def accuracy(flags: np.ndarray) -> Accuracy:
        return Accuracy(np.zeros(1000, np.int64), np.stack([flags, ~flags], axis=1).astype(float))

    return HeldOutResult(
        parent=accuracy(right) if labeled else None,
        child=accuracy(child) if labeled else None,
        parity=Parity(
            images=1000, logit_difference=0, relative_difference=0, probability_difference=0, agreement=agreement
        ),
        divergence=0.01,
        latencies=(PairedLatency(baseline_ms=speedup, other_ms=1.0, speedup=speedup, threads=1),),
        size_bytes=1,
        memory_bytes=None,
    )


@pytest.mark.parametrize(
    ("measured", "messages"),
    [
        (result(), []),
        (result(lost=10), []),
        (result(lost=11), ["loses 1.10 points of top-1 (90.00% -> 88.90% on 1000 held-out images)"]),
        (result(lost=20, won=12), []),
        (result(speedup=0.985), []),  # no more than noise
        (result(speedup=0.9), ["is 0.90 times as fast"]),
        (result(labeled=False, agreement=0.95), []),
        (
            result(labeled=False, agreement=0.94),
            ["gives its parent's label to 94.00% of 1000 held-out images"],
        ),
        (result(lost=50, speedup=0.5), ["loses 5.00 points", "is 0.50 times"]),
    ],
)
def test_gate_failures_at_the_limits(measured, messages):
    failures = gate_failures(measured, Gate(max_drop=1.0 + 1e-9))
    assert len(failures) == len(messages)
    assert all(failure.message.startswith(start) for failure, start in zip(failures, messages, strict=True))
    assert all(failure.excess > 0 for failure in failures)


def test_a_whole_point_is_no_more_than_one():
    """As shares, 0.895 - 0.885 is more than 0.01 by the rounding of a float."""
    truth, sure = np.zeros(400, np.int64), np.arange(400)
    before, after = (
        Accuracy(truth, np.stack([sure < right, sure >= right], axis=1).astype(float)) for right in (358, 354)
    )
    exact = dataclasses.replace(result(), parent=before, child=after)
    assert exact.drop == 1.0
    assert gate_failures(exact, Gate(max_drop=1.0)) == []


def test_a_limit_that_is_no_number_is_refused():
    with pytest.raises(SpecError, match="min_speedup is not a number"):
        Gate(min_speedup=float("nan"))


def test_the_interval_of_the_drop_is_that_of_paired_differences():
    interval = result(lost=30, won=10).drop_interval
    # 40 images differ: the standard error is sqrt(40 - 20^2 / 1000) / 1000
    half = 1.96 * np.sqrt(40 - 0.4) / 10
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half), rel=1e-3)


@pytest.mark.parametrize(
    ("processor", "flags", "expected"),
    [
        ("x86_64", ["avx2", "avx512f", "avx512_vnni"], "x86-vnni"),
        ("AMD64", ["avx2", "avx_vnni"], "x86-vnni"),
        ("x86_64", ["avx2", "avx512f"], "x86-avx2"),
        ("x86_64", [], "x86-avx2"),
        ("aarch64", ["asimddp"], "arm64"),
        ("arm64", [], "arm64"),
    ],
)
def test_this_machine_is_known_by_its_instructions(monkeypatch, processor, flags, expected):
    monkeypatch.setattr(targets.platform, "machine", lambda: processor)
    monkeypatch.setattr(targets, "machine", lambda: {"int8_features": flags})
    assert this_machine().name == expected


def test_only_the_target_without_vnni_saturates():
    assert [t.name for t in targets.TARGETS.values() if t.saturating] == ["x86-avx2"]


@pytest.mark.parametrize("named", [target_named, scheme_named])
def test_unknown_names(named):
    with pytest.raises(SpecError, match="unknown"):
        named("int9")


def test_no_scheme_of_the_search_order_is_known_to_break():
    assert all(scheme.per_channel for scheme in SEARCH_ORDER)
    assert len({scheme.name for scheme in SEARCH_ORDER}) == len(SEARCH_ORDER)


def test_peak_memory_of_a_process_that_predicts(tiny_artifact):
    peak = peak_memory_bytes(tiny_artifact)
    assert peak is None or 20e6 < peak < 500e6
    assert peak_memory_bytes("missing.onnx") is None
