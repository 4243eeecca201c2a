"""The space: its size, resolutions, strides and order, and the compound rule."""

import math

import pytest

from edgekit.errors import SpecError
from edgekit.fit.candidate import Candidate
from edgekit.fit.layers import Traces
from edgekit.fit.space import FAMILIES, NETWORKS, PHOTO_PX, candidates, compound
from edgekit.zoo.build import build

SMALL = candidates(classes=10, image_size=32)
PHOTOS = candidates(classes=10, image_size=500)
TEMPLATE = Candidate(network="efficientnet_b0", resolution=224, classes=1000)


@pytest.mark.parametrize("space", [SMALL, PHOTOS], ids=["small", "photos"])
def test_candidates_are_about_two_thousand_with_names_of_their_own(space):
    assert 1800 <= len(space) <= 2300
    assert len({candidate.name for candidate in space}) == len(set(space)) == len(space)
    assert {candidate.precision for candidate in space} == {"float32", "int8"}


def test_candidates_have_the_same_order_each_time():
    assert candidates(classes=10, image_size=32) == SMALL


def test_candidates_for_photos_keep_strides_and_margin():
    assert {c.resolution for c in PHOTOS if c.width_mult == c.depth_mult == 1} >= {96, 128, 160, 192, 224, 260}
    assert min(c.resolution for c in PHOTOS) == 96
    assert all(c.stem_stride is None and not c.stage_strides and c.margin for c in PHOTOS)
    assert {c.network for c in PHOTOS} == set(NETWORKS) - {"resnet20"}


@pytest.mark.parametrize(("image_size", "smallest", "largest"), [(28, 24, 48), (32, 24, 64), (64, 48, 128)])
def test_candidates_have_resolutions_around_the_images(image_size, smallest, largest):
    space = candidates(classes=10, image_size=image_size, networks=["mobilenet_v2"], precisions=["int8"])
    resolutions = {candidate.resolution for candidate in space}
    assert (min(resolutions), max(resolutions)) == (smallest, largest)
    assert not any(candidate.margin for candidate in space)


def test_candidates_for_tiny_images_have_the_smallest_resolution():
    assert {c.resolution for c in candidates(classes=10, image_size=8, networks=["resnet18"])} == {24}


@pytest.mark.parametrize("network", NETWORKS)
def test_candidates_below_96_pixels_have_last_grids_of_3_to_8(network):
    """As the networks compute it: the extent before the mean over the grid that the classifier reads."""
    traces, checked = Traces(), 0
    space = candidates(classes=10, image_size=48, networks=[network], precisions=["int8"])
    for candidate in [
        c for c in space if (c.width_mult, c.depth_mult) == (space[0].width_mult, 1) and not c.activation
    ]:
        pool = [layer for layer in traces.layers(candidate) if layer.kind == "mean"][-1]
        if candidate.resolution < PHOTO_PX:
            assert 3 <= pool.input.height <= 8, candidate.name
        else:
            assert pool.input.height == math.ceil(candidate.resolution / 32)
        checked += 1
    assert checked >= 4


def test_candidates_remove_the_strides_of_the_stem_first_and_of_the_last_two_stages_never():
    space = candidates(classes=10, image_size=32, networks=["mobilenet_v2"], precisions=["int8"])
    assert {(c.resolution, c.name.split("/")[1][0]): (c.stem_stride, c.stage_strides) for c in space if "/" in c.name}[
        32, "8"
    ] == (1, (1, 2, 1, 2, 1, 2, 1))  # as in the model of edgekit's own that is trained on such images
    forms = {(c.stem_stride, c.stage_strides) for c in space}
    assert forms == {
        (1, (1, 2, 2, 2, 1, 2, 1)),
        (1, (1, 2, 1, 2, 1, 2, 1)),
        (1, (1, 1, 1, 2, 1, 2, 1)),
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_candidates_of_every_network_have_the_strides_of_the_network_itself(network):
    """The table of the space repeats them: with no stride removed, both forms must be one network."""
    row_strides = {c.stage_strides for c in candidates(classes=10, image_size=95, networks=[network])}
    plain, traces = Candidate(network=network, resolution=32, classes=10), Traces()
    own = [layer.stride for layer in traces.layers(plain)]
    longest = max(row_strides, key=sum)
    first = 2 if network != "resnet20" else 1
    scaled = Candidate(network=network, resolution=32, classes=10, stem_stride=first, stage_strides=longest)
    if network == "resnet20":  # its own strides are for 32 pixels: the space has more
        assert sum(longest) > sum((1, 2, 2))
    else:
        assert [layer.stride for layer in traces.layers(scaled)] == own


@pytest.mark.parametrize("family", FAMILIES)
def test_candidates_of_a_family_are_those_of_its_networks(family):
    space = candidates(classes=10, image_size=32, networks=[family, family], precisions=["int8"])
    names = [network for network in NETWORKS if network.startswith(family)]
    assert len(names) >= 2
    assert space == tuple(c for c in SMALL if c.network in names and c.precision == "int8")


def test_candidates_of_networks_can_be_built():
    """One of each network, the narrowest with the fewest strides."""
    for network in NETWORKS:
        candidate = next(c for c in SMALL if c.network == network)
        arguments = candidate.arguments
        assert build(network, **arguments, classes=10, in_channels=3).head.fc.out_features == 10


def test_compound_of_0_is_efficientnet_b0():
    assert compound(0, TEMPLATE) == TEMPLATE
    assert compound(0, TEMPLATE) in candidates(classes=1000, image_size=500)


@pytest.mark.parametrize("phi", [-3, -1.5, -0.25, 0.7, 2])
def test_compound_scales_by_the_rule(phi):
    """Equation 3 with alpha = 1.2, beta = 1.1 and gamma = 1.15, whose cost is in proportion to 1.92^phi."""
    scaled = compound(phi, TEMPLATE)
    assert scaled.width_mult == pytest.approx(1.1**phi)
    assert scaled.depth_mult == pytest.approx(1.2**phi)
    assert scaled.resolution == pytest.approx(224 * 1.15**phi, abs=0.5)
    traces = Traces()
    share = traces.cost(scaled).macs / traces.cost(TEMPLATE).macs
    assert 0.9 * 1.92**phi < share < 2 * 1.92**phi  # layers and channels are rounded, mostly up


def test_compound_of_small_images_starts_at_their_resolution():
    small = compound(-1, TEMPLATE, base=32)
    assert (small.resolution, small.stem_stride, small.stage_strides) == (28, 1, (1, 2, 1, 2, 1, 2, 1))
    assert compound(-10, TEMPLATE, base=32).stage_strides == (1, 1, 1, 2, 1, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"networks": ["mobilenet_v4"]}, "unknown network 'mobilenet_v4'; did you mean mobilenet"),
        ({"networks": ["vgg16"]}, "unknown network 'vgg16'"),
        ({"networks": [None]}, "unknown network None"),
        ({"networks": "resnet18"}, "`networks` must be a list or tuple"),
        ({"precisions": ["int4"]}, "unknown precision 'int4'"),
        ({"precisions": ()}, "`precisions` must be one or more of float32 and int8"),
        ({"image_size": 0}, "`image_size` must be an integer from 1 to"),
        ({"channels": 4}, "`channels` must be 1 or 3"),
        ({"classes": 1.5}, "`classes` must be an integer"),
    ],
)
def test_candidates_refuses_impossible_arguments(arguments, message):
    with pytest.raises(SpecError, match=message):
        candidates(**{"classes": 10, "image_size": 32, **arguments})


def test_compound_refuses_impossible_arguments():
    for phi in (11, math.nan, "1", True):
        with pytest.raises(SpecError, match="`phi` must be a number from -10 to 10"):
            compound(phi, TEMPLATE)
    with pytest.raises(SpecError, match="`template` must be a Candidate"):
        compound(1, None)
