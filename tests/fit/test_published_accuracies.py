"""The table of published accuracies against others that this project states with their sources."""

import pytest

from edgekit.fit.published_accuracies import PUBLISHED_ACCURACIES
from edgekit.hub.imagenet_weights import PACKAGED, PUBLISHED
from edgekit.zoo.specs import SPECS


def test_table_agrees_with_the_figures_of_published_weights():
    table = {(point.family, point.top1): point for point in PUBLISHED_ACCURACIES}
    for weights in PACKAGED.values():
        assert ("efficientnet_lite", weights.top1) in table
    for model, family in (("resnet18", "resnet"), ("resnet34", "resnet"), ("resnet50", "resnet_bottleneck")):
        assert (family, PUBLISHED[model].top1) in table


@pytest.mark.parametrize(
    ("network", "family", "top1"),
    [
        ("mobilenet_v1", "mobilenet_v1", 70.9),
        ("mobilenet_v2", "mobilenet_v2", 71.8),
        ("mobilenet_v3_large", "mobilenet_v3_large", 75.2),
        ("mobilenet_v3_small", "mobilenet_v3_small", 67.5),
        ("efficientnet_b0", "efficientnet", 77.1),
        ("efficientnet_b7", "efficientnet", 84.3),
        ("resnet50", "resnet_bottleneck", 76.13),
    ],
)
def test_multiply_accumulates_are_those_of_the_zoo_up_to_rounding(network, family, top1):
    (point,) = (p for p in PUBLISHED_ACCURACIES if (p.family, p.top1) == (family, top1))
    assert point.macs == pytest.approx(SPECS[network].macs, rel=0.03)
    assert point.resolution == SPECS[network].input.height


def test_every_accuracy_has_a_source_and_is_a_percentage():
    assert len(set(PUBLISHED_ACCURACIES)) == len(PUBLISHED_ACCURACIES) > 60
    assert all(40 < point.top1 < 85 and point.source for point in PUBLISHED_ACCURACIES)
