"""Which candidates are on the Pareto front."""

from edgekit.fit.candidate import Candidate
from edgekit.fit.front import Figures, FrontPoint, best_first, dominates, pareto


def _point(resolution, latency, *, prior=0.5, size=1000, measured=None, accuracy=None, rung=None, stage="ranked"):
    return FrontPoint(
        candidate=Candidate(network="mobilenet_v2", resolution=resolution, classes=10),
        predicted=Figures(latency, size, 1000),
        measured=measured and Figures(measured, size, 1000),
        prior=prior,
        accuracy=accuracy,
        rung=rung,
        stage=stage,
    )


def test_point_dominates_what_is_worse_in_something_and_better_in_nothing():
    fast, slow = _point(96, 1.0), _point(128, 2.0)
    assert dominates(fast, slow)
    assert not dominates(slow, fast)
    assert not dominates(fast, fast)
    assert not dominates(fast, _point(128, 2.0, prior=0.6))
    assert not dominates(fast, _point(128, 2.0, size=900))


def test_measured_figures_replace_predicted_ones():
    assert _point(96, 1.0, measured=3.0).figures.latency_ms == 3.0
    assert dominates(_point(128, 2.0), _point(96, 1.0, measured=3.0))


def test_front_has_what_nothing_dominates_fastest_first():
    points = [_point(128, 2.0, prior=0.6), _point(96, 1.0), _point(160, 3.0, prior=0.55), _point(192, 3.0, prior=0.7)]
    assert [point.candidate.resolution for point in pareto(points)] == [96, 128, 192]
    assert pareto([]) == ()


def test_front_of_trained_candidates_goes_by_their_accuracy():
    points = [
        _point(96, 1.0, prior=0.9),
        _point(128, 2.0, prior=0.5, accuracy=0.8),
        _point(160, 3.0, prior=0.6, accuracy=0.7),
    ]
    assert [point.candidate.resolution for point in pareto(points)] == [128]


def test_best_first_puts_the_chosen_one_before_the_trained_ones():
    points = [
        _point(96, 1.0, prior=0.9),
        _point(128, 2.0, accuracy=0.8, rung=1),
        _point(160, 3.0, accuracy=0.7, rung=2),
        _point(192, 3.0, accuracy=0.6, rung=2, stage="chosen"),
    ]
    assert [point.candidate.resolution for point in best_first(points)] == [192, 160, 128, 96]
