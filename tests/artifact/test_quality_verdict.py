"""The verdict of the quality gate in words."""

import pytest

from edgekit.artifact.quality_verdict import interval_text, verdict_text

LABELED = {"max_drop": 1.0, "drop_interval": [-0.512, 0.614], "top1": 0.9}
UNLABELED = {"min_agreement": 97.5, "agreement_interval": [0.9801, 1.0]}


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({}, None),
        ({"recipe": "int8", "worse": "did not pass"}, None),  # a file of edgekit 0.1.0
        ({**LABELED, "verdict": "proven"}, "proven: it loses at most 1 percentage points of top-1"),
        ({**LABELED, "verdict": "proven", "map": 0.9}, "proven: it loses at most 1 percentage points of mAP"),
        (
            {**UNLABELED, "verdict": "proven"},
            "proven: it predicts its parent's label for at least 97.5% of images",
        ),
        ({"verdict": "unproven", "doubt": "40 images resolve little"}, "unproven: 40 images resolve little"),
        ({"verdict": "rejected", "worse": "did not pass"}, "rejected: did not pass"),
    ],
)
def test_verdict_text_says_what_was_found(evidence, text):
    assert verdict_text(evidence) == text


def test_interval_text_shows_losses_as_negative_changes():
    assert interval_text(LABELED) == "-0.61 to +0.51 percentage points of top-1 (95% interval)"
    corrected = interval_text({**LABELED, "drop_interval": [0.0, 0.0], "schemes_tried": 3})
    assert corrected == "+0.00 to +0.00 percentage points of top-1 (95% interval, corrected for 3 schemes)"
    assert interval_text(UNLABELED) == "same label on 98.01% to 100.00% of images (95% interval)"


@pytest.mark.parametrize(
    "evidence",
    [
        {"drop_interval": [1]},
        {"drop_interval": "ab"},
        {"drop_interval": {"low": 1, "high": 2}},
        {"drop_interval": 7},
        {"agreement_interval": [None, 1]},
        {},
    ],
)
def test_interval_text_raises_for_malformed_figures(evidence):
    with pytest.raises((KeyError, TypeError, ValueError)):
        interval_text(evidence)
