"""Adaptive plans: their rule, their budget, their round trip, their refusals."""

import itertools
import json

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.preprocess.adaptive_crops import VIEW_RULES, AdaptivePlan, margins
from edgekit.preprocess.crops import PLANS
from edgekit.preprocess.spec import Preprocess

PLAN = AdaptivePlan(
    view_names=("center", "end", "wide-mirrored"),
    temperature=2.0,
    curve=((1.0, 0.0), (1.5, 0.2), (3.0, 1.0)),
    budget=1.5,
)


@st.composite
def plans(draw: st.DrawFn) -> AdaptivePlan:
    count = draw(st.integers(1, 12))
    ascending = st.lists(st.floats(0, 64), min_size=count, max_size=count, unique=True).map(sorted)
    return AdaptivePlan(
        view_names=tuple(draw(st.lists(st.sampled_from(sorted(VIEW_RULES)), min_size=1, max_size=9))),
        temperature=draw(st.floats(0.1, 10)),
        curve=tuple(zip(draw(ascending), draw(ascending), strict=True)),
        budget=draw(st.floats(1, 20)),
    )


@given(plans())
def test_to_dict_round_trips_through_json(plan):
    assert AdaptivePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@given(plans(), st.lists(st.floats(1, 70), min_size=2, max_size=2))
def test_margin_does_not_fall_as_the_budget_grows(plan, budgets):
    smaller, larger = (plan.with_budget(budget).margin for budget in sorted(budgets))
    assert smaller <= larger


def test_margin_is_interpolated_on_the_curve():
    assert PLAN.margin == 0.2
    assert PLAN.with_budget(1).margin == 0
    assert PLAN.with_budget(1.25).margin == pytest.approx(0.1)
    assert PLAN.with_budget(99).margin == 1


def test_is_sure_compares_the_margin_of_the_calibrated_mean():
    """At temperature 2, ln 9 is 3 to 1; the mean with an even second view is ln 3, which is 1.73 to 1."""
    first, even = np.log([[9.0, 1.0]]), np.zeros((1, 2))
    np.testing.assert_allclose(PLAN.probabilities(first), [3 / 4, 1 / 4])
    np.testing.assert_allclose(PLAN.probabilities(np.concatenate([first, even])), np.array([3**0.5, 1]) / (3**0.5 + 1))
    assert PLAN.is_sure(np.concatenate([first, even]))  # by 0.27
    assert not PLAN.is_sure(np.concatenate([first, even, even]))  # by 0.18
    assert not PLAN.is_sure(even)
    assert PLAN.with_budget(1).is_sure(even)


def test_probabilities_use_the_temperature_of_the_model_instead_of_the_plans():
    """At temperature 1, ln 9 is 9 to 1; the plan's temperature of 2 still decides when the class is clear."""
    first = np.log([[9.0, 1.0]])
    np.testing.assert_allclose(PLAN.probabilities(first, temperature=1.0), [9 / 10, 1 / 10])
    np.testing.assert_allclose(PLAN.probabilities(first, temperature=0.5), [81 / 82, 1 / 82])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_margins_are_the_lead_of_the_best_class(values):
    first, second = sorted(values, reverse=True)[:2]
    assert margins(np.array([values, values[::-1]])).tolist() == [first - second] * 2


def test_margins_of_a_single_class_are_one():
    assert margins(np.ones((3, 1))).tolist() == [1, 1, 1]


def test_views_follow_the_view_names():
    size, preprocess = Size(375, 500), Preprocess()
    center, end, wide = PLAN.views(size, preprocess)
    assert (center,) == PLANS["center"].views(size, preprocess)
    assert (end.resize, end.box.right) == (wide.resize, wide.resize.width)
    assert (wide._replace(mirrored=False),) == PLANS["wide"].views(size, preprocess)
    assert wide.mirrored
    assert len(PLAN) == 3


def test_view_rules_of_stored_plans_are_all_different():
    views = [rule.view(Size(375, 500), Preprocess()) for rule in VIEW_RULES.values()]
    assert not any(first == second for first, second in itertools.combinations(views, 2))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("views", value) for value in ([], ["centre"], ["center"] * 65, "center", None, [1], {})),  # sic
        *(("temperature", value) for value in (0, -1, "2", None, True, float("inf"), float("nan"))),
        *(("curve", value) for value in ([], [[1.0]], [[1, 0], [1, 1]], [[2, 0], [1, 1]], [[1, "a"]], None, [1, 2])),
        *(("budget", value) for value in (0.99, 0, None, "2", float("nan"))),
    ],
    ids=lambda value: str(value)[:30],
)
def test_from_dict_rejects_invalid_values(name, wrong):
    with pytest.raises(SpecError):
        AdaptivePlan.from_dict(PLAN.to_dict() | {name: wrong})
    with pytest.raises(SpecError):
        AdaptivePlan.from_dict({key: value for key, value in PLAN.to_dict().items() if key != name})


@pytest.mark.parametrize(
    "wrong",
    [
        {"view_names": "center"},
        {"view_names": 5},
        {"view_names": (["center"],)},
        {"curve": 5},
        {"curve": (5,)},
        {"temperature": "2"},
        {"budget": None},
    ],
    ids=str,
)
def test_adaptive_plan_rejects_values_of_another_type(wrong):
    fields = {name: getattr(PLAN, name) for name in ("view_names", "temperature", "curve", "budget")}
    with pytest.raises(SpecError):
        AdaptivePlan(**fields | wrong)


@pytest.mark.parametrize("wrong", [None, 3, [], "plan"], ids=str)
def test_from_dict_rejects_other_than_an_object(wrong):
    with pytest.raises(SpecError):
        AdaptivePlan.from_dict(wrong)
