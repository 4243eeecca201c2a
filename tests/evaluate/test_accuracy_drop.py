"""The accuracy drop of a model, its interval, and how many images would settle whether it is within a limit."""

import numpy as np
import pytest

from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.accuracy_drop import images_needed, points_lost, points_lost_interval
from edgekit.evaluate.intervals import paired_interval
from edgekit.evaluate.multi_label import MultiLabelAccuracy
from edgekit.preprocess.scoring import Scoring

MULTI_LABEL = Scoring(task="multi-label")


def accuracy(correct: np.ndarray) -> Accuracy:
    return Accuracy(np.zeros(len(correct), np.int64), np.stack([correct, ~correct], axis=1).astype(float))


def tags(rng: np.random.Generator, images: int, *, lost: float) -> tuple[MultiLabelAccuracy, MultiLabelAccuracy]:
    """A model of two labels, and another that sees nothing in a share of the images and is the same in all others."""
    truth = rng.random((images, 2)) < (0.5, 0.2)
    scores = 3 * truth + rng.normal(0, 1, truth.shape)
    blind = rng.random(images) < lost
    other = np.where(blind[:, None], rng.normal(0, 1, truth.shape), scores)
    before, after = (MultiLabelAccuracy(truth, 1 / (1 + np.exp(-s)), MULTI_LABEL) for s in (scores, other))
    return before, after


def test_points_lost_interval_of_top1_is_tangos_in_percentage_points():
    before, after = np.arange(400) < 300, np.arange(400) < 300
    after[:7], after[300:302] = False, True
    interval, tango = points_lost_interval(accuracy(before), accuracy(after)), paired_interval(7, 2, 400)
    assert points_lost(accuracy(before), accuracy(after)) == interval.value == 1.25
    assert (interval.low, interval.high) == pytest.approx((100 * tango.low, 100 * tango.high))
    wider = points_lost_interval(accuracy(before), accuracy(after), confidence=0.99)
    assert wider.low < interval.low < interval.high < wider.high


def test_points_lost_interval_is_not_of_width_0_if_nothing_changed():
    same, tagged = accuracy(np.ones(50, bool)), tags(np.random.default_rng(0), 50, lost=0)[0]
    for model in (same, tagged):
        interval = points_lost_interval(model, model)
        assert interval.value == 0
        assert interval.high == -interval.low == pytest.approx(7.1, abs=0.6)  # z^2 / 50 is 7.7%


def test_points_lost_interval_of_map_contains_that_of_the_bootstrap():
    before, after = tags(np.random.default_rng(0), 500, lost=0.03)
    interval, bootstrap = points_lost_interval(before, after), before.drop(after)
    assert interval.low < bootstrap.low < bootstrap.value == interval.value < bootstrap.high < interval.high


def test_points_lost_interval_of_map_rarely_ends_below_the_true_drop():
    """Simulated: one image in 50 is lost, which few sets of 100 images show well."""
    rng, sets = np.random.default_rng(1), 40
    true = points_lost(*tags(rng, 200_000, lost=0.02))
    pairs = [tags(rng, 100, lost=0.02) for _ in range(sets)]
    assert sum(points_lost_interval(*pair).high < true for pair in pairs) <= 0.05 * sets
    assert sum(before.drop(after).high < true for before, after in pairs) > 0.1 * sets


def test_points_lost_interval_raises_for_models_of_different_tasks():
    one, other = accuracy(np.ones(5, bool)), tags(np.random.default_rng(0), 5, lost=0)[0]
    for pair in ((one, other), (other, one)):
        with pytest.raises(SpecError, match="`before` and `after` must have the same task"):
            points_lost_interval(*pair)


@pytest.mark.parametrize("lost", [0, 0.01])
def test_images_needed_is_where_the_upper_end_is_the_limit(lost):
    rng = np.random.default_rng(0)
    correct = accuracy(np.ones(500, bool)), accuracy(rng.random(500) >= lost)
    for before, after in (correct, tags(rng, 500, lost=lost)):
        interval = points_lost_interval(before, after, confidence=0.99)

        def needed(limit: float, power: float, pair=(before, after), interval=interval) -> float:
            return images_needed(*pair, interval=interval, limit=limit, confidence=0.99, power=power)

        assert needed(interval.high, 0.5) == pytest.approx(500, rel=0.01)
        assert needed(interval.high, 0.8) >= needed(interval.high, 0.5) > needed(interval.high + 1, 0.5)
        assert needed(interval.value, 0.5) == np.inf


def test_images_needed_for_map_is_about_right_on_that_many_images():
    before, after = tags(np.random.default_rng(0), 300, lost=0.01)
    interval = points_lost_interval(before, after)
    limit = interval.value + (interval.high - interval.value) / 2
    needed = round(images_needed(before, after, interval=interval, limit=limit, power=0.5))
    assert 600 < needed < 1200
    rows = np.resize(np.arange(300), needed)
    more = [MultiLabelAccuracy(m.truth[rows], m.probabilities[rows], MULTI_LABEL) for m in (before, after)]
    assert points_lost_interval(*more).high == pytest.approx(limit, rel=0.1)
