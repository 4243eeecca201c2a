"""How the time of a search is divided."""

import pytest

from edgekit.fit.plan import Plan, candidate_count, divide, final_epochs

SPEEDS = {"small": 2000.0, "middle": 500.0, "large": 100.0, "huge": 50.0}


def _seconds(plan, *, rung):
    """The seconds that each candidate trains in a rung, without the time to start."""
    epochs = plan.epochs[rung] - (plan.epochs[rung - 1] if rung else 0)
    return {name: plan.images[name] * epochs / SPEEDS[name] for name in SPEEDS}


def test_candidates_of_a_rung_get_the_same_seconds_of_as_many_images_as_they_manage():
    plan = divide(1000, SPEEDS, begun=100, training_images=50_000, held_out_images=100)
    first = _seconds(plan, rung=0)
    assert first["middle"] == pytest.approx(first["large"], rel=0.05) == pytest.approx(first["huge"], rel=0.05)
    assert plan.images["small"] > plan.images["middle"] > plan.images["large"] > plan.images["huge"]
    assert plan.survivors == (2, 1)
    spent = 4 * first["large"] + 2 * _seconds(plan, rung=1)["large"]
    assert 0.2 * 900 < spent < 0.35 * 900  # the chosen one gets more than half


def test_candidates_that_see_all_images_do_not_get_more_than_all():
    plan = divide(3600, SPEEDS, begun=0, training_images=200, held_out_images=50)
    assert plan.images == dict.fromkeys(SPEEDS, 200)
    assert plan.epochs[0] == 20


def test_one_survivor_needs_no_second_rung():
    plan = divide(600, {"a": 100.0, "b": 90.0, "c": 50.0}, begun=0, training_images=1000, held_out_images=100)
    assert plan.survivors == (1,)
    assert len(plan.epochs) == 1


def test_plan_of_a_time_that_is_over_still_trains_something():
    plan = divide(10, SPEEDS, begun=60, training_images=50_000, held_out_images=2000)
    assert all(count >= 1 for count in plan.images.values())
    assert plan.epochs[0] == 2
    assert plan.passes(50_000) < 0.1


def test_passes_of_a_plan_are_those_of_the_candidate_in_the_middle():
    plan = Plan(epochs=(4, 9), survivors=(2, 1), images={"a": 10, "b": 50, "c": 100}, begun=0.0)
    assert plan.passes(100) == 2


def test_plan_survives_json():
    plan = divide(1000, SPEEDS, begun=12.5, training_images=1000, held_out_images=100)
    assert Plan.from_dict(plan.to_dict()) == plan


def test_candidates_are_more_the_longer_the_search():
    assert [candidate_count(seconds) for seconds in (1, 1200, 7200, 10**6)] == [3, 5, 8, 8]


@pytest.mark.parametrize(("seconds", "epochs"), [(0, 1), (100, 8), (10**6, 200)])
def test_final_epochs_fit_the_time_and_are_at_least_one(seconds, epochs):
    assert final_epochs(seconds, 100.0, images=1000, val_images=0) == epochs
