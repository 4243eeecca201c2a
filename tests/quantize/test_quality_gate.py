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
from edgekit.quantize.quality_gate import Gate, Judgement, misses
from edgekit.quantize.schemes import LADDER, recipe_named
from edgekit.quantize.targets import target_named, this_machine


def judged(*, lost: int = 0, won: int = 0, speedup: float = 2.0, labelled: bool = True, agreement: float = 1.0):
    """A judgement of 1,000 pictures, of which the parent has the first 900 right."""
    right = np.arange(1000) < 900
    child = right.copy()
    child[:lost], child[900 : 900 + won] = False, True

    def accuracy(flags: np.ndarray) -> Accuracy:
        return Accuracy(np.zeros(1000, np.int64), np.stack([flags, ~flags], axis=1).astype(float))

    return Judgement(
        parent=accuracy(right) if labelled else None,
        child=accuracy(child) if labelled else None,
        parity=Parity(
            pictures=1000, logit_difference=0, relative_difference=0, probability_difference=0, agreement=agreement
        ),
        divergence=0.01,
        latencies=(PairedLatency(baseline_ms=speedup, other_ms=1.0, speedup=speedup, threads=1),),
        size_bytes=1,
        memory_bytes=None,
    )


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (judged(), []),
        (judged(lost=10), []),
        (judged(lost=11), ["loses 1.10 points of top-1 (90.00% -> 88.90% on 1000 held-out pictures)"]),
        (judged(lost=20, won=12), []),
        (judged(speedup=0.985), []),  # no more than noise
        (judged(speedup=0.9), ["is 0.90 times as fast"]),
        (judged(labelled=False, agreement=0.95), []),
        (judged(labelled=False, agreement=0.94), ["gives its parent's label to 94.00% of 1000 held-out pictures"]),
        (judged(lost=50, speedup=0.5), ["loses 5.00 points", "is 0.50 times"]),
    ],
)
def test_the_gate_at_its_limits(judgement, said):
    found = misses(judgement, Gate(max_drop=1.0 + 1e-9))
    assert len(found) == len(said)
    assert all(text.startswith(start) for (text, _), start in zip(found, said, strict=True))
    assert all(excess > 0 for _, excess in found)


def test_a_whole_point_is_no_more_than_one():
    """As shares, 0.895 - 0.885 is more than 0.01 by the rounding of a float."""
    truth, sure = np.zeros(400, np.int64), np.arange(400)
    before, after = (
        Accuracy(truth, np.stack([sure < right, sure >= right], axis=1).astype(float)) for right in (358, 354)
    )
    exact = dataclasses.replace(judged(), parent=before, child=after)
    assert exact.drop == 1.0
    assert misses(exact, Gate(max_drop=1.0)) == []


def test_a_limit_that_is_no_number_is_refused():
    with pytest.raises(SpecError, match="min_speedup is not a number"):
        Gate(min_speedup=float("nan"))


def test_the_interval_of_the_drop_is_that_of_paired_differences():
    interval = judged(lost=30, won=10).drop_interval
    # 40 pictures differ: the standard error is sqrt(40 - 20^2 / 1000) / 1000
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


@pytest.mark.parametrize("named", [target_named, recipe_named])
def test_unknown_names(named):
    with pytest.raises(SpecError, match="unknown"):
        named("int9")


def test_no_recipe_of_the_ladder_is_known_to_break():
    assert all(recipe.per_channel for recipe in LADDER)
    assert len({recipe.name for recipe in LADDER}) == len(LADDER)


def test_peak_memory_of_a_process_that_predicts(tiny_artifact):
    peak = peak_memory_bytes(tiny_artifact)
    assert peak is None or 20e6 < peak < 500e6
    assert peak_memory_bytes("missing.onnx") is None
