"""Which scheme is tried next, which candidate is written, and what is stated of it."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from made_results import measured_result

from edgekit.quantize.quality_gate import Gate
from edgekit.quantize.schemes import SCHEMES
from edgekit.quantize.trials import Trial, best_trial, is_worth_trying, judged_trial, refusal

INT8, MSE, MIXED, FLOAT16 = (SCHEMES[name] for name in ("int8", "int8-mse", "int8-mixed-20", "float16"))
# How many of 1,000 images are lost for each verdict, if one point may be.
LOST = {"proven": 2, "unproven": 8, "rejected": 12}


def trial(scheme=INT8, verdict: str = "unproven", *, speedup: float | None = 2.0, images: int = 1000, strict=False):
    correct = np.ones((2, images), bool)
    correct[1, : LOST[verdict] * images // 1000] = False
    return judged_trial(scheme, measured_result(images, correct, speedup=speedup), Gate(strict=strict), tried=1)


def test_trials_made_here_have_the_verdicts_that_they_are_named_for():
    assert [trial(verdict=verdict).verdict for verdict in LOST] == list(LOST)
    assert [trial(verdict=verdict).passed for verdict in LOST] == [True, True, False]
    assert [trial(verdict=verdict).doubt is None for verdict in LOST] == [True, False, True]


@pytest.mark.parametrize(
    ("trials", "goes_on"),
    [
        ([], {INT8, MSE, FLOAT16}),
        ([trial(verdict="rejected")], {INT8, MSE, FLOAT16}),
        ([trial(verdict="proven")], set()),
        ([trial()], {INT8, MSE}),
        ([trial(), trial(MSE, "rejected")], {INT8, MSE}),
        ([trial(), trial(MSE, "proven")], set()),
        ([trial(images=400)], set()),  # so few images could only prove a candidate that changes nothing
        ([trial(strict=True)], {INT8, MSE, FLOAT16}),
        ([trial(images=400, strict=True)], {INT8, MSE, FLOAT16}),
        ([trial(images=300, strict=True)], set()),  # not even that
    ],
)
def test_search_goes_on_to_schemes_that_the_images_could_prove(trials, goes_on):
    assert {scheme for scheme in (INT8, MSE, FLOAT16) if is_worth_trying(scheme, trials)} == goes_on


def names(trials: Sequence[Trial], *, try_all: bool) -> tuple[str, str]:
    best = best_trial(trials, try_all=try_all)
    return best.scheme.name, best.verdict


@pytest.mark.parametrize("try_all", [False, True])
def test_best_trial_prefers_a_proven_scheme_to_a_faster_unproven_one(try_all):
    trials = [trial(speedup=2.3), trial(MSE, "rejected", speedup=3), trial(MIXED, "proven", speedup=1.5)]
    assert names(trials, try_all=try_all) == ("int8-mixed-20", "proven")
    untimed = [trial(speedup=None), trial(MIXED, "proven", speedup=None)]
    assert names(untimed, try_all=try_all) == ("int8-mixed-20", "proven")


@pytest.mark.parametrize("try_all", [False, True])
def test_best_trial_keeps_integer_arithmetic_if_only_float16_is_proven(try_all):
    trials = [trial(MIXED), trial(speedup=2.3), trial(FLOAT16, "proven", speedup=1.0)]
    assert names(trials, try_all=try_all)[1] == "unproven"
    strict = [trial(strict=True), trial(FLOAT16, "proven", speedup=1.0, strict=True)]
    assert names(strict, try_all=try_all) == ("float16", "proven")


def test_best_trial_of_unproven_ones_is_the_first_or_with_try_all_the_fastest():
    trials = [trial(MSE, speedup=1.5), trial(speedup=2.3)]
    assert names(trials, try_all=False) == ("int8-mse", "unproven")
    assert names(trials, try_all=True) == ("int8", "unproven")


def test_best_trial_of_rejected_ones_is_the_closest():
    trials = [trial(verdict="rejected", speedup=0.9), trial(MSE, "rejected"), trial(strict=True)]
    assert [one.verdict for one in trials] == ["rejected"] * 3
    assert best_trial(trials[:2], try_all=False) is trials[1]
    assert "int8, is unproven (1000 held-out images" in refusal(trials[2], count=3)


def test_evidence_states_the_verdict_its_limit_and_its_interval():
    evidence = trial().evidence()
    assert (evidence["verdict"], evidence["max_drop"], evidence["held_out"]) == ("unproven", 1.0, 1000)
    assert evidence["doubt"].startswith("1000 held-out images resolve +-")
    low, high = evidence["drop_interval"]
    assert low < 0.8 < 1 < high
    assert not {"doubt", "min_agreement", "agreement_interval"} & trial(verdict="proven").evidence().keys()
    assert trial(strict=True).evidence()["verdict"] == "rejected"


def test_evidence_of_images_without_labels_states_their_agreement():
    gate = Gate(min_agreement=98, max_divergence=float("inf"))
    evidence = judged_trial(INT8, measured_result(1000, None, agreement=0.99), gate, tried=3).evidence()
    low, high = evidence["agreement_interval"]
    assert low < 0.99 < high < 1
    assert (evidence["verdict"], evidence["min_agreement"], evidence["schemes_tried"]) == ("unproven", 98, 3)
    assert not {"max_drop", "drop_interval", "max_divergence"} & evidence.keys()  # no limit, nothing stated
    json.dumps(evidence, allow_nan=False)


def test_later_trials_have_wider_intervals():
    first, third = (
        judged_trial(INT8, trial().result, Gate(), tried=tried).evidence()["drop_interval"] for tried in (1, 3)
    )
    assert third[0] < first[0] < first[1] < third[1]
