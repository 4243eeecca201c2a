"""The learning rate schedule."""

import pytest

from edgekit.errors import SpecError
from edgekit.train.recipe import Recipe
from edgekit.train.schedule import extends, learning_rate
from edgekit.train.settings import Optimize


def test_learning_rate_warms_up_and_follows_the_cosine():
    optimize = Optimize(epochs=11, warmup_epochs=1, learning_rate=0.4)
    assert learning_rate(optimize, 0.5) == pytest.approx(0.2)
    assert learning_rate(optimize, 1) == pytest.approx(0.4)
    assert learning_rate(optimize, 6) == pytest.approx(0.2)
    assert learning_rate(optimize, 11) == pytest.approx(0.0)


def test_learning_rate_restarts_the_cosine():
    plain = Optimize(epochs=11, warmup_epochs=1, learning_rate=0.4)
    optimize = Optimize(epochs=15, warmup_epochs=1, learning_rate=0.4, restarts=(11,), restart_factor=0.25)
    for epoch in (0.5, 1, 6, 10.9):
        assert learning_rate(optimize, epoch) == learning_rate(plain, epoch)
    assert learning_rate(optimize, 11) == learning_rate(plain, 11) == 0  # the last step of the first cosine
    assert [learning_rate(optimize, epoch) for epoch in (11 + 1e-9, 13, 15)] == pytest.approx([0.1, 0.05, 0.0])


@pytest.mark.parametrize("restarts", [(5, 5), (7, 5), (20,), (1,), (0.5,), (30,)])
def test_restarts_must_increase_between_the_warmup_and_the_end(restarts):
    with pytest.raises(SpecError, match="restarts"):
        Optimize(epochs=20, warmup_epochs=1, restarts=restarts)


def test_learning_rate_falls_by_steps_or_stays_constant():
    steps = Optimize(epochs=90, warmup_epochs=0, learning_rate=0.1, schedule="step", step_every=30)
    assert [learning_rate(steps, e) for e in (29.9, 30, 60)] == pytest.approx([0.1, 0.01, 0.001])
    assert learning_rate(Optimize(warmup_epochs=0, learning_rate=0.1, schedule="constant"), 19) == 0.1


def _recipe(**optimize):
    return Recipe.from_dict({"model": "lenet5", "optimize": {"warmup_epochs": 0, **optimize}})


@pytest.mark.parametrize(
    ("longer", "shorter", "is_extended"),
    [
        ({"epochs": 6, "restarts": [2]}, {"epochs": 2}, True),
        ({"epochs": 6, "restarts": [2, 4]}, {"epochs": 4, "restarts": [2]}, True),
        ({"epochs": 6, "schedule": "constant"}, {"epochs": 2, "schedule": "constant"}, True),
        ({"epochs": 6, "schedule": "step", "step_every": 3}, {"epochs": 2, "schedule": "constant"}, True),
        ({"epochs": 6}, {"epochs": 2}, False),  # a cosine has fallen less far
        ({"epochs": 6, "restarts": [1]}, {"epochs": 2}, False),
        ({"epochs": 6, "restarts": [2], "momentum": 0.8}, {"epochs": 2}, False),
    ],
)
def test_a_recipe_extends_another_one_if_the_rates_so_far_are_the_same(longer, shorter, is_extended):
    assert extends(_recipe(**longer), _recipe(**shorter), epoch=2) == is_extended


def test_a_recipe_with_growing_crops_extends_none():
    shorter, longer = (
        Recipe.from_dict(
            {
                "model": "lenet5",
                "augment": {"progressive": [[0.0, 28]]},
                "optimize": {"schedule": "constant", "epochs": epochs},
            }
        )
        for epochs in (2, 4)
    )
    assert not extends(longer, shorter, epoch=2)
