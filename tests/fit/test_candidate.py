"""Candidates: names, arguments, preprocessing, JSON, and impossible values."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import SpecError
from edgekit.fit.candidate import Candidate
from edgekit.image.size import Size
from edgekit.train.recipe import Recipe
from edgekit.zoo.specs import SPECS

PLAIN = Candidate(network="mobilenet_v2", resolution=224, classes=10)
SCALED = Candidate(
    network="efficientnet_lite0",
    width_mult=0.75,
    depth_mult=1.4,
    activation="hard_swish",
    stem_stride=1,
    stage_strides=(1, 2, 1, 2, 1, 2, 1),
    resolution=32,
    margin=False,
    precision="int8",
    classes=3,
    channels=1,
)


def candidate_with(**values):
    return Candidate(**{"network": "mobilenet_v2", "resolution": 224, "classes": 10, **values})


def test_candidate_name_shows_what_differs_from_the_network():
    assert PLAIN.name == "mobilenet_v2 @224 float32"
    assert SCALED.name == "efficientnet_lite0 w0.75 d1.4 hard_swish /8 @32 int8"


def test_candidate_arguments_are_those_that_differ_from_the_network():
    assert PLAIN.arguments == {}
    assert SCALED.arguments == {
        "width_mult": 0.75,
        "depth_mult": 1.4,
        "activation": "hard_swish",
        "stem_stride": 1,
        "stage_strides": [1, 2, 1, 2, 1, 2, 1],
    }


def test_candidate_multipliers_are_relative_to_the_named_network():
    """B2 is 1.1 times as wide and 1.2 times as deep as B0."""
    scaled = candidate_with(network="efficientnet_b2", width_mult=0.5, depth_mult=2.0)
    assert candidate_with(network="efficientnet_b2").arguments == {}
    assert scaled.arguments == {"width_mult": pytest.approx(0.55), "depth_mult": pytest.approx(2.4)}


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite1", "efficientnet_b2"])
def test_candidate_preprocess_at_the_networks_own_resolution_is_that_of_its_spec(name):
    spec = SPECS[name]
    assert candidate_with(network=name, resolution=spec.input.height).preprocess == spec.preprocess


def test_candidate_preprocess_keeps_the_ratio_of_the_margin():
    preprocess = candidate_with(resolution=112).preprocess
    assert (preprocess.resize, preprocess.crop) == (128, Size(112, 112))


def test_candidate_preprocess_of_small_gray_images_shows_them_whole():
    preprocess, spec = SCALED.preprocess, SPECS["efficientnet_lite0"].preprocess
    assert (preprocess.resize, preprocess.crop, preprocess.color) == (32, Size(32, 32), "L")
    assert preprocess.mean == (pytest.approx(sum(spec.mean) / 3),)
    assert preprocess.interpolation == spec.interpolation


def test_candidate_architecture_ignores_resolution_margin_and_precision():
    same = candidate_with(resolution=96, precision="int8", margin=False)
    assert same.architecture == PLAIN.architecture
    for changes in ({"width_mult": 0.5}, {"classes": 11}, {"channels": 1}, {"stage_strides": [1, 2, 2, 2, 1, 2, 1]}):
        assert candidate_with(**changes).architecture != PLAIN.architecture


@pytest.mark.parametrize("candidate", [PLAIN, SCALED])
def test_candidate_becomes_a_recipe(candidate):
    recipe = Recipe.from_dict(
        {
            "model": candidate.network,
            "arguments": candidate.arguments,
            "preprocess": candidate.preprocess.to_dict(),
            "augment": {"crop_padding": 0},
        }
    )
    assert recipe.preprocess == candidate.preprocess
    assert recipe.network_arguments["in_channels"] == candidate.channels


@given(width=st.floats(0.01, 10), depth=st.floats(0.01, 10), strides=st.lists(st.integers(1, 2), max_size=8))
def test_candidate_from_json_is_the_same(width, depth, strides):
    candidate = candidate_with(width_mult=width, depth_mult=depth, stage_strides=strides)
    read = Candidate.from_dict(json.loads(json.dumps(candidate.to_dict())))
    assert read == candidate
    assert len({read, candidate}) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "mobilenet_v4"}, "unknown network 'mobilenet_v4'; did you mean"),
        ({"network": ["mobilenet_v2"]}, "unknown network"),
        ({"width_mult": 0}, r"`width_mult` must be a number from 0.01 to 10 \(got 0\)"),
        ({"depth_mult": math.nan}, r"`depth_mult` must be a number from 0.01 to 10 \(got nan\)"),
        ({"resolution": 224.0}, r"`resolution` must be an integer from 1 to 4096 \(got 224.0\)"),
        ({"resolution": True}, r"`resolution` must be an integer"),
        ({"classes": 0}, r"`classes` must be an integer from 1 to 1000000 \(got 0\)"),
        ({"channels": 2}, r"`channels` must be 1 or 3 \(got 2\)"),
        ({"precision": "int4"}, "unknown precision 'int4'; did you mean int8"),
        ({"precision": None}, "`precision` must be a str"),
        ({"activation": 6}, "`activation` must be a str"),
        ({"margin": 1}, "`margin` must be a bool"),
        ({"stem_stride": 1.0}, r"`stem_stride` must be an integer from 1 to 2 \(got 1.0\)"),
        ({"stage_strides": [1, 3]}, r"`stage_strides` must be an integer from 1 to 2 \(got 3\)"),
        ({"stage_strides": 2}, "`stage_strides` must be a list or tuple"),
    ],
)
def test_candidate_refuses_impossible_values(changes, message):
    with pytest.raises(SpecError, match=message):
        candidate_with(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "`candidate` must be names with values"),
        ({"network": "mobilenet_v2", "resolution": 32}, "candidate: missing classes"),
        ({"network": "mobilenet_v2", "width": 1}, "candidate: unknown value 'width'; did you mean width_mult"),
    ],
)
def test_candidate_from_dict_refuses_other_documents(values, message):
    with pytest.raises(SpecError, match=message):
        Candidate.from_dict(values)
