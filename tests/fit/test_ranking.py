"""Which candidates are tried, and the error if none keeps the budget."""

import dataclasses

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


def _names(points):
    return [point.name for point in points]


def _error(point):
    return 1 - point.prior


def test_shortlist_takes_close_ones_of_other_families_first_and_no_network_in_two_precisions():
    assert _names(shortlist(POINTS, count=6, error=_error)) == [
        "efficientnet_b0 @192 int8",
        "mobilenet_v2 @224 float32",
        "mobilenet_v2 @192 int8",
        "efficientnet_b0 @128 int8",
        "resnet18 @128 int8",  # now the best one left is close enough to it
        "mobilenet_v2 @128 int8",
    ]


def test_shortlist_does_not_take_a_far_worse_network_because_of_its_family():
    for prior, is_taken in ((0.3, False), (0.74, True)):
        other = _point("mobilenet_v1", 32, prior=prior)
        assert (other in shortlist([*POINTS, other], count=4, error=_error)) == is_taken


def test_shortlist_goes_by_the_error_that_is_given():
    """Such as that of training for a while, in which small networks see more images."""
    assert shortlist(POINTS, count=1, error=lambda point: point.candidate.resolution)[0].name == "mobilenet_v2 @96 int8"


def test_shortlist_has_a_network_with_one_of_its_activations_only():
    point = _point("mobilenet_v3_small", 64, prior=0.7)
    twin = dataclasses.replace(point, candidate=dataclasses.replace(point.candidate, activation="relu6"))
    assert shortlist([point, twin], count=2, error=_error) == (point,)


def test_shortlist_is_no_longer_than_what_there_is():
    assert len(shortlist(POINTS, count=100, error=_error)) == 8  # one of nine is another one in int8


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
