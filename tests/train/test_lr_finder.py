"""The learning rate range test."""

import pytest

from edgekit.errors import EdgekitError, SpecError
from edgekit.train.lr_finder import Sweep, find_learning_rate
from edgekit.train.recipe import Recipe


def test_sweep_suggests_the_steepest_fall_before_the_minimum():
    rates = tuple(10.0**e for e in range(-5, 2))
    sweep = Sweep(rates=rates, losses=(2.3, 2.29, 2.2, 1.2, 1.0, 1.5, 4.0))
    assert sweep.suggestion == pytest.approx(1e-2)
    with pytest.raises(EdgekitError, match="did not fall"):
        _ = Sweep(rates=rates, losses=(1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)).suggestion


def test_find_learning_rate_suggests_a_rate_that_trains(lenet_recipe, training):
    sweep = find_learning_rate(lenet_recipe(), training, steps=60, workers=0)
    assert 1e-3 < sweep.suggestion < 1.5


def test_find_learning_rate_refuses_a_head_that_is_solved_for(training):
    recipe = Recipe.from_dict({"model": "lenet5", "tune": "head", "weights": "w"})
    with pytest.raises(SpecError, match="'lbfgs' has no learning rate; set `solver` to sgd"):
        find_learning_rate(recipe, training, workers=0)
