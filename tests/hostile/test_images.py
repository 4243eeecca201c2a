"""Images that mean harm: each answered or refused in one line, within 5 s of CPU and 600 MB, in a child process."""

import made_images
import pytest


def test_cut_and_changed_images_are_answered_or_refused_in_one_line(answers):
    outcomes = answers(made_images.broken_images())
    errors = [said for said in outcomes.values() if "error" in said]
    assert {said["error"] for said in errors} == {"ImageError"}
    assert len(errors) > len(outcomes) / 3
    assert all(said["message"].split(": ")[-1] for said in errors)
    cut_at_start = [name for name in outcomes if name.endswith("-cut-0")]
    assert len(cut_at_start) == len(made_images.WRITERS)
    assert all("empty" in outcomes[name]["message"] for name in cut_at_start)


@pytest.mark.slow
def test_bombs_and_foreign_files_are_refused(answers):
    outcomes = answers(made_images.refused_images())
    assert {name: said for name, said in outcomes.items() if said.get("error") != "ImageError"} == {}


@pytest.mark.slow
def test_the_costliest_images_within_the_limits_are_answered(answers):
    outcomes = answers(made_images.costly_images())
    assert {name: said for name, said in outcomes.items() if "label" not in said} == {}


def test_packed_texts_are_never_unpacked(answers):
    for said in answers(made_images.text_bombs()).values():
        assert "label" in said or said["error"] == "ImageError"
        assert said["mb"] < 300
