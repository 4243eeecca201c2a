"""The quality gate: its limits, verdicts and messages, and schemes by name."""

import dataclasses
import re

import numpy as np
import pytest
from made_results import measured_result
from sklearn.metrics import average_precision_score

from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.preprocess.scoring import Scoring
from edgekit.quantize.held_out_evaluation import HeldOutResult
from edgekit.quantize.quality_gate import Gate, Judgment, judge
from edgekit.quantize.schemes import SEARCH_ORDER, scheme_named


def result(*, lost: int = 0, gained: int = 0, speedup: float = 2.0, labeled: bool = True, agreement: float = 1.0):
    """A result on 1,000 images. The parent gets 900 right; the child loses `lost` of them and gains `gained` others."""
    parent_correct = np.arange(1000) < 900
    child_correct = parent_correct.copy()
    child_correct[:lost], child_correct[900 : 900 + gained] = False, True
    correct = (parent_correct, child_correct) if labeled else None
    return measured_result(1000, correct, speedup=speedup, agreement=agreement)


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
def test_judge_lists_the_limits_that_are_missed(measured, messages):
    failures = judge(measured, Gate(max_drop=1.0 + 1e-9)).failures
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
    assert judge(measured, Gate(max_drop=1.0)).verdict == "unproven"


def test_gate_raises_for_a_limit_that_is_nan():
    with pytest.raises(SpecError, match=r"`min_speedup` must be a number \(got nan\)"):
        Gate(min_speedup=float("nan"))
    with pytest.raises(SpecError, match=r"`strict` must be a bool \(got 'no'\)"):
        Gate(strict="no")


@pytest.mark.parametrize(
    ("measured", "verdict", "doubt"),
    [
        (result(), "proven", None),
        (result(lost=1, gained=1), "proven", None),
        (
            result(lost=9),
            "unproven",
            "resolve +-0.61 percentage points of top-1 accuracy; about 76000 would settle it",
        ),
        (
            result(lost=10),
            "unproven",
            "resolve +-0.64 percentage points of top-1 accuracy; the result is so near the limit that over a million "
            "would be needed to settle it",
        ),
        (result(lost=11), "rejected", None),
        (result(speedup=0.5), "rejected", None),
        (result(labeled=False, agreement=0.97), "proven", None),
        (result(labeled=False, agreement=0.96), "unproven", "+-1.2 percentage points of agreement; about 3600 would"),
        (result(labeled=False, agreement=0.949), "rejected", None),
    ],
)
def test_judge_gives_one_of_three_verdicts(measured, verdict, doubt):
    judgment = judge(measured, Gate())
    assert judgment.verdict == verdict
    assert judgment.doubt == doubt if doubt is None else doubt in judgment.doubt
    assert judgment.doubt is None or judgment.doubt.startswith("1000 held-out images resolve ")


def unchanged(images: int) -> HeldOutResult:
    return measured_result(images, np.ones((2, images), bool))


def test_judge_needs_200_images_and_more_where_the_limit_is_near():
    assert judge(unchanged(199), Gate(max_drop=50)).verdict == "unproven"
    assert "about 200 would settle it" in judge(unchanged(199), Gate(max_drop=50)).doubt
    assert judge(unchanged(200), Gate(max_drop=50)).verdict == "proven"
    assert "50 held-out images resolve +-7.1 percentage points" in judge(unchanged(50), Gate()).doubt
    assert "about 390 would settle it" in judge(unchanged(50), Gate()).doubt
    assert [judge(unchanged(images), Gate()).verdict for images in (380, 381)] == ["unproven", "proven"]


@pytest.mark.parametrize(
    ("lost", "gained", "images"), [(3, 2, 400), (0, 0, 210), (6, 8, 400), (12, 6, 1000), (15, None, 600), (0, None, 60)]
)
def test_judge_is_sure_with_the_number_of_images_that_it_asks_for(lost, gained, images):
    """If the shares stay what they are; gained: None if the images have no labels."""

    def judgment(images: int, scale: float) -> Judgment:
        if gained is None:
            agreement = 1 - round(lost * scale) / images
            return judge(measured_result(images, None, agreement=agreement), Gate(min_agreement=96))
        correct = np.ones((2, images), bool)
        ends = np.cumsum([round(lost * scale), round(gained * scale)])
        correct[1, : ends[0]], correct[0, ends[0] : ends[1]] = False, False
        return judge(measured_result(images, correct), Gate())

    asked = re.search(r"about ([0-9]+) would settle", judgment(images, 1).doubt)
    needed = int(asked[1])
    sizes = [round(factor * needed) for factor in (0.85 if not lost else 0.4, 1.05)]  # some are in reserve, if any vary
    verdicts = [judgment(size, size / images).verdict for size in sizes]
    assert verdicts == ["unproven", "proven"]


@pytest.mark.parametrize("images", [200, 400, 1000])
@pytest.mark.parametrize(("gained", "max_drop"), [(0.0005, 1.0), (0.01, 1.0), (0.02, 3.0)])
def test_judge_rarely_proves_a_candidate_that_loses_more_than_the_limit(images, gained, max_drop):
    """Simulated: the true drop is just above `max_drop`; at most 2.5% may be proven, and about half are rejected."""
    rng, sets = np.random.default_rng(images), 1000
    draws = rng.random((sets, images))
    lost = gained + max_drop / 100 + 1e-4
    correct = np.stack([(draws < lost) | (draws >= lost + gained), draws >= lost], axis=1)
    verdicts = [judge(measured_result(images, pair), Gate(max_drop=max_drop)).verdict for pair in correct]
    assert verdicts.count("proven") <= 0.035 * sets
    assert verdicts.count("rejected") >= 0.3 * sets


def test_judge_mostly_proves_a_candidate_that_loses_nothing():
    draws = np.random.default_rng(0).random((300, 2000))
    correct = np.stack([draws >= 0.005, draws < 0.995], axis=1)  # 1% change, one way or the other
    verdicts = [judge(measured_result(2000, pair), Gate()).verdict for pair in correct]
    assert verdicts.count("proven") >= 0.95 * len(verdicts)


def test_judge_corrects_for_the_number_of_schemes_tried():
    """Eight candidates, each just worse than the limit: without the correction, 18% of the sets would prove one."""
    draws, sets = np.random.default_rng(0).random((8, 500, 600)), 500
    correct = np.stack([draws >= 0.01, draws < 0.9699], axis=2)
    proven = [
        any(
            judge(measured_result(600, correct[k, n]), Gate(max_drop=2), tried=k + 1).verdict == "proven"
            for k in range(8)
        )
        for n in range(sets)
    ]
    assert sum(proven) <= 0.075 * sets


def test_judge_rejects_what_is_unproven_if_the_gate_is_strict():
    judgment = judge(unchanged(50), Gate(strict=True))
    (failure,) = judgment.failures
    assert judgment.verdict == "rejected"
    assert failure.message == f"is unproven ({judgment.doubt}), which `strict` rejects"
    assert failure.excess == pytest.approx(6.13, abs=0.01)
    assert judge(unchanged(400), Gate(strict=True)).verdict == "proven"


def test_judgment_tells_whether_other_candidates_could_be_proven():
    assert judge(result(lost=9), Gate()).can_prove_others
    assert not judge(result(lost=40, gained=35), Gate()).can_prove_others
    assert judge(result(lost=40, gained=35), Gate(strict=True)).can_prove_others
    assert not judge(unchanged(380), Gate(strict=True)).can_prove_others
    assert not judge(unchanged(199), Gate(max_drop=50)).can_prove_others


def test_scheme_named_raises_for_an_unknown_name():
    with pytest.raises(SpecError, match="unknown scheme"):
        scheme_named("int9")


def test_gate_judges_no_speed_that_is_not_measured_here():
    elsewhere = dataclasses.replace(result(), latencies=())
    assert elsewhere.speedup is None
    assert judge(elsewhere, Gate(min_speedup=1000)).failures == ()
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
    loss = judge(measured, Gate()).loss
    assert loss.low < measured.drop == loss.value < loss.high
    (failure,) = judge(measured, Gate(max_drop=0.5)).failures
    assert failure.message.startswith(f"loses {measured.drop:.2f} percentage points of mAP ({areas[0]:.2f}% -> ")
    assert judge(measured, Gate(max_drop=measured.drop)).failures == ()
    evidence = measured.evidence()
    assert (evidence["parent_map"], evidence["map"]) == (parent.value, child.value)
    assert "top1" not in evidence
