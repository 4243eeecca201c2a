"""The error to expect after a training."""

import pytest

from edgekit.fit.candidate import Candidate
from edgekit.fit.learning_curve import expected_error


def _error(prior, images, *, resolution=32, margin=False):
    candidate = Candidate(network="resnet20", resolution=resolution, margin=margin, classes=10)
    return expected_error(candidate, images, prior=prior, edge=32)


def test_small_network_is_ahead_first_and_the_large_one_in_the_end():
    """With the same time, where the large one takes four times as long for an image."""
    assert _error(0.2, 80_000) < _error(0.6, 20_000)
    assert _error(0.2, 8_000_000) > _error(0.6, 2_000_000)


@pytest.mark.parametrize(
    ("prior", "resolution", "images", "error"),
    [
        (0.52, 32, 25_000, 0.483),
        (0.52, 32, 200_000, 0.225),
        (0.46, 24, 40_000, 0.450),
        (0.46, 24, 350_000, 0.233),
        (0.19, 48, 76_000, 0.383),
        (0.19, 48, 700_000, 0.210),
        (0.62, 24, 16_000, 0.640),
    ],
)
def test_law_is_close_to_trainings_on_cifar10(prior, resolution, images, error):
    """Two sizes of mobilenet_v1 and resnet20 in a rung and in the final training, efficientnet_lite0 in a rung."""
    assert _error(prior, images, resolution=resolution) == pytest.approx(error, rel=0.1)


def test_error_falls_from_one_that_knows_nothing_to_the_floor():
    errors = [_error(0.5, images) for images in (0, 1000, 7000, 7500, 8000, 1e15)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == 1
    assert errors[-1] == pytest.approx(0.05, abs=1e-3)


def test_detail_that_small_images_lose_raises_the_floor():
    assert _error(0.5, 1e15, resolution=24) == pytest.approx(0.1, abs=1e-3)
    assert _error(0.5, 1e15, resolution=48) == _error(0.5, 1e15)
    assert _error(0.5, 1e15, resolution=24, margin=True) == _error(0.5, 1e15)
