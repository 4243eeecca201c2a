"""The expected accuracy of candidates, compared with published figures."""

import pytest

from edgekit.errors import SpecError
from edgekit.fit.accuracy import family_of, prior_accuracy
from edgekit.fit.candidate import Candidate
from edgekit.fit.published_accuracies import PUBLISHED_ACCURACIES

NETWORKS = {
    "mobilenet_v1": "mobilenet_v1",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3_large",
    "mobilenet_v3_small": "mobilenet_v3_small",
    "efficientnet": "efficientnet_b0",
    "efficientnet_lite": "efficientnet_lite0",
    "resnet": "resnet18",
    "resnet_bottleneck": "resnet50",
}


def _candidate(network="mobilenet_v2", **values):
    return Candidate(network=network, classes=1000, **{"resolution": 224, **values})


@pytest.mark.parametrize("point", PUBLISHED_ACCURACIES, ids=lambda p: f"{p.family}-{p.macs / 1e6:.0f}M-{p.resolution}")
def test_prior_is_within_one_and_a_half_points_of_every_published_accuracy(point):
    candidate = _candidate(NETWORKS[point.family], resolution=point.resolution)
    assert 100 * prior_accuracy(candidate, macs=round(point.macs)) == pytest.approx(point.top1, abs=1.5)


def test_prior_grows_with_everything_and_falls_in_int8():
    def prior(macs, resolution, precision="float32"):
        return prior_accuracy(_candidate(resolution=resolution, precision=precision), macs=macs)

    for resolution in (96, 224, 1000, 4000):
        values = [prior(macs, resolution) for macs in (10**6, 10**7, 10**8, 10**9, 10**11, 10**13)]
        assert values == sorted(values)
        assert 0 <= values[0] < values[-1] < 1
    assert prior(10**8 * 4, 192) > prior(10**8, 96)  # the same network
    assert prior(10**8, 224) - prior(10**8, 224, "int8") == pytest.approx(0.0084)
    assert prior(1, 96, "int8") == 0


def test_network_without_strides_counts_as_one_with_the_same_last_grid():
    small = _candidate(resolution=32, stem_stride=1, stage_strides=(1, 2, 1, 2, 1, 2, 1))
    assert prior_accuracy(small, macs=10**8) == prior_accuracy(_candidate(resolution=128), macs=10**8)
    assert prior_accuracy(small, macs=10**8) > prior_accuracy(_candidate(resolution=32), macs=10**8)


def test_family_is_that_of_the_longest_name():
    assert family_of("efficientnet_lite2") == "efficientnet_lite"
    assert family_of("efficientnet_b2") == "efficientnet"
    assert (family_of("resnet20"), family_of("resnet50")) == ("resnet", "resnet_bottleneck")
    with pytest.raises(SpecError, match="unknown network with published accuracies 'vgg16'"):
        family_of("vgg16")
