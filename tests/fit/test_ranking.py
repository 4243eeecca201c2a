"""Which candidates are tried, and the error if none keeps the budget."""

import pytest

from edgekit.errors import SpecError
from edgekit.fit.budget import Budget
from edgekit.fit.candidate import Candidate
from edgekit.fit.front import Figures, FrontPoint
from edgekit.fit.ranking import infeasible, shortlist


def _point(network, resolution, *, prior, precision="int8", latency=1.0, size=1000):
    return FrontPoint(
        candidate=Candidate(network=network, resolution=resolution, precision=precision, classes=10),
        predicted=Figures(latency, size, 1000),
        prior=prior,
    )


POINTS = [
    _point("mobilenet_v2", 224, prior=0.72),
    _point("mobilenet_v2", 224, prior=0.73, precision="float32"),
    _point("mobilenet_v2", 192, prior=0.70),
    _point("mobilenet_v2", 128, prior=0.65),
    _point("mobilenet_v2", 96, prior=0.60),
    _point("efficientnet_b0", 192, prior=0.75),
    _point("efficientnet_b0", 128, prior=0.69),
    _point("resnet18", 128, prior=0.62),
    _point("resnet18", 96, prior=0.58),
]


def _seconds(point):
    factor = {"mobilenet_v2": 300, "efficientnet_b0": 400, "resnet18": 1800}[point.candidate.network]
    return factor * 1e-6 * (point.candidate.resolution / 224) ** 2


def _names(points):
    return [point.name for point in points]


def _shortlist(count, **options):
    return shortlist(POINTS, count=count, seconds=_seconds, **{"most_seconds": 1.0, "is_transfer": False, **options})


def test_shortlist_has_several_families_and_sizes_and_no_network_in_two_precisions():
    assert _names(_shortlist(6)) == [
        "efficientnet_b0 @192 int8",
        "mobilenet_v2 @192 int8",  # up to half of the largest
        "efficientnet_b0 @128 int8",  # up to a quarter
        "resnet18 @128 int8",
        "mobilenet_v2 @128 int8",
        "mobilenet_v2 @96 int8",
    ]


def test_shortlist_does_not_take_one_family_on_each_level():
    assert len({point.candidate.network for point in _shortlist(2)}) == 2
    assert len({point.candidate.network for point in _shortlist(4)}) == 3


def test_shortlist_has_no_network_that_cannot_be_trained_in_time():
    assert all(_seconds(point) <= 150e-6 for point in _shortlist(4, most_seconds=150e-6))
    cheapest = sorted(POINTS, key=_seconds)[:2]
    assert set(_names(_shortlist(2, most_seconds=1e-9))) <= set(_names(cheapest))


def test_shortlist_with_weights_takes_the_best_of_each_family_first():
    assert _names(_shortlist(4, is_transfer=True)) == [
        "efficientnet_b0 @192 int8",
        "mobilenet_v2 @224 float32",
        "resnet18 @128 int8",
        "mobilenet_v2 @192 int8",
    ]


def test_shortlist_is_no_longer_than_what_there_is():
    assert len(_shortlist(100)) == 8  # one of nine is another one in int8


def test_infeasible_budget_names_the_nearest_candidate_and_what_to_raise():
    points = [
        _point("mobilenet_v2", 96, prior=0.6, latency=3.0),
        _point("resnet18", 96, prior=0.5, latency=2.0, size=10**6),
    ]
    error = infeasible(points, Budget(latency_ms=1.0, size_bytes=2000))
    assert isinstance(error, SpecError)
    assert str(error).startswith("none of 2 candidates keeps the budget of 1")
    assert "the nearest is mobilenet_v2 @96 int8 with 3" in str(error)
    assert str(error).endswith("raise `latency`")


@pytest.mark.parametrize("size", [10**5, 10**6])
def test_infeasible_names_every_limit_that_is_missed(size):
    points = [_point("resnet18", 96, prior=0.5, latency=2.0, size=size)]
    assert str(infeasible(points, Budget(latency_ms=1.0, size_bytes=2000))).endswith("raise `latency` and `size`")
