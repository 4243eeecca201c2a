"""The quality gate: its limits and messages, and schemes by name."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.evaluate.parity import Parity
from edgekit.evaluate.timing import PairedLatency
from edgekit.preprocess.scoring import Scoring
from edgekit.quantize.quality_gate import Gate, HeldOutResult, gate_failures
from edgekit.quantize.schemes import SEARCH_ORDER, scheme_named


def result(*, lost: int = 0, gained: int = 0, speedup: float = 2.0, labeled: bool = True, agreement: float = 1.0):
    """A result on 1,000 images. The parent gets 900 right; the child loses `lost` of them and gains `gained` others."""
    parent_correct = np.arange(1000) < 900
    child_correct = parent_correct.copy()
    child_correct[:lost], child_correct[900 : 900 + gained] = False, True

    def accuracy(correct: np.ndarray) -> Accuracy:
        return Accuracy(np.zeros(1000, np.int64), np.stack([correct, ~correct], axis=1).astype(float))

    return HeldOutResult(
        parent=accuracy(parent_correct) if labeled else None,
        child=accuracy(child_correct) if labeled else None,
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
        (
            result(lost=11),
            ["loses 1.10 percentage points of top-1 accuracy (90.00% -> 88.90% on 1000 held-out images; `max_drop`"],
        ),
        (result(lost=20, gained=12), []),
        (result(speedup=0.985), []),  # within the noise
        (result(speedup=0.9), ["runs at 0.90x the speed of its parent on this machine (`min_speedup` requires 1)"]),
        (result(labeled=False, agreement=0.95), []),
        (
            result(labeled=False, agreement=0.94),
            ["predicts its parent's label for only 94.00% of 1000 held-out images (`min_agreement` requires 95)"],
        ),
        (result(lost=50, speedup=0.5), ["loses 5.00 percentage points", "runs at 0.50x"]),
    ],
)
def test_gate_failures_lists_the_limits_that_are_missed(measured, messages):
    failures = gate_failures(measured, Gate(max_drop=1.0 + 1e-9))
    assert len(failures) == len(messages)
    assert all(failure.message.startswith(start) for failure, start in zip(failures, messages, strict=True))
    assert all(failure.excess > 0 for failure in failures)


def test_held_out_result_drop_of_4_in_400_images_is_exactly_one_point():
    """In float arithmetic, 0.895 - 0.885 is more than 0.01."""
    truth, image = np.zeros(400, np.int64), np.arange(400)
    parent, child = (
        Accuracy(truth, np.stack([image < correct, image >= correct], axis=1).astype(float)) for correct in (358, 354)
    )
    measured = dataclasses.replace(result(), parent=parent, child=child)
    assert measured.drop == 1.0
    assert gate_failures(measured, Gate(max_drop=1.0)) == []


def test_gate_raises_for_a_limit_that_is_nan():
    with pytest.raises(SpecError, match=r"`min_speedup` must be a number \(got nan\)"):
        Gate(min_speedup=float("nan"))


def test_held_out_result_drop_interval_is_that_of_paired_differences():
    interval = result(lost=30, gained=10).drop_interval
    # 40 images differ: the standard error is sqrt(40 - 20^2 / 1000) / 1000
    half_width = 1.96 * np.sqrt(40 - 0.4) / 10
    assert (interval.low, interval.high) == pytest.approx((2 - half_width, 2 + half_width), rel=1e-3)


def test_scheme_named_raises_for_an_unknown_name():
    with pytest.raises(SpecError, match="unknown scheme"):
        scheme_named("int9")


def test_gate_judges_no_speed_that_is_not_measured_here():
    elsewhere = dataclasses.replace(result(), latencies=())
    assert elsewhere.speedup is None
    assert gate_failures(elsewhere, Gate(min_speedup=1000)) == []
    assert elsewhere.costs() == {"latency": None, "peak_memory_bytes": None}


def test_search_order_has_unique_schemes_with_a_scale_per_channel():
    assert all(scheme.per_channel for scheme in SEARCH_ORDER)
    assert len({scheme.name for scheme in SEARCH_ORDER}) == len(SEARCH_ORDER)


def test_peak_memory_bytes_is_plausible_or_none(tiny_artifact):
    peak = peak_memory_bytes(tiny_artifact)
    assert peak is None or 20e6 < peak < 500e6
    assert peak_memory_bytes("missing.onnx") is None


def test_gate_judges_a_multi_label_model_by_map():
    rng = np.random.default_rng(0)
    truth = rng.random((200, 3)) < 0.4
    scoring = Scoring(task="multi-label")
    before = np.clip(truth * 0.5 + 0.25 + rng.normal(0, 0.1, truth.shape), 0, 1)
    after = np.clip(before + rng.normal(0, 0.2, truth.shape), 0, 1)
    parent, child = (MultiLabelAccuracy(truth, probabilities, scoring) for probabilities in (before, after))
    measured = dataclasses.replace(result(), parent=parent, child=child)
    areas = [100 * average_precision_score(truth, p, average="macro") for p in (before, after)]
    assert measured.drop == pytest.approx(areas[0] - areas[1])
    assert measured.drop_interval.low < measured.drop < measured.drop_interval.high
    (failure,) = gate_failures(measured, Gate(max_drop=0.5))
    assert failure.message.startswith(f"loses {measured.drop:.2f} percentage points of mAP ({areas[0]:.2f}% -> ")
    assert gate_failures(measured, Gate(max_drop=measured.drop)) == []
    evidence = measured.evidence()
    assert (evidence["parent_map"], evidence["map"]) == (parent.value, child.value)
    assert "top1" not in evidence
