"""Malicious images: each is predicted or refused in one line, within 5 s of CPU time and 600 MB."""

import made_images
import pytest


def test_predict_handles_truncated_and_corrupted_images(predict_in_child):
    outcomes = predict_in_child(made_images.broken_images())
    errors = [outcome for outcome in outcomes.values() if "error" in outcome]
    assert {outcome["error"] for outcome in errors} == {"ImageError"}
    assert len(errors) > len(outcomes) / 3
    assert all(outcome["message"].split(": ")[-1] for outcome in errors)
    cut_at_start = [name for name in outcomes if name.endswith("-cut-0")]
    assert len(cut_at_start) == len(made_images.WRITERS)
    assert all("empty" in outcomes[name]["message"] for name in cut_at_start)


@pytest.mark.slow
def test_predict_refuses_bombs_and_files_that_are_not_images(predict_in_child):
    outcomes = predict_in_child(made_images.refused_images())
    assert {name: outcome for name, outcome in outcomes.items() if outcome.get("error") != "ImageError"} == {}


@pytest.mark.slow
def test_predict_handles_the_costliest_images_within_the_limits(predict_in_child):
    outcomes = predict_in_child(made_images.costly_images())
    assert {name: outcome for name, outcome in outcomes.items() if "label" not in outcome} == {}


def test_predict_never_unpacks_compressed_text(predict_in_child):
    for outcome in predict_in_child(made_images.text_bombs()).values():
        assert "label" in outcome or outcome["error"] == "ImageError"
        assert outcome["mb"] < 300
