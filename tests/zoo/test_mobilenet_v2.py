"""MobileNetV2: its stages at other depths and strides."""

import pytest
import torch

from edgekit.errors import SpecError
from edgekit.zoo.build import build, published_keys


@pytest.mark.parametrize(
    ("depth_mult", "blocks"),
    [(0.5, [1, 1, 2, 2, 2, 2, 1]), (1.0, [1, 2, 3, 4, 3, 3, 1]), (1.4, [2, 3, 5, 6, 5, 5, 2])],
)
def test_mobilenet_v2_depth_multiplier_rounds_blocks_up(depth_mult, blocks, hollow):
    """Table 2, column n, multiplied."""
    body = dict(hollow("mobilenet_v2", depth_mult=depth_mult).body.named_children())

    assert [len(body[f"stage{number}"]) for number in range(1, 8)] == blocks


def test_mobilenet_v2_published_keys_of_another_depth_are_all_of_its_modules(hollow):
    network = hollow("mobilenet_v2", depth_mult=1.4)

    modules = {name.rpartition(".")[0] for name in network.state_dict()}

    assert set(published_keys("mobilenet_v2", depth_mult=1.4).values()) == modules


def test_mobilenet_v2_accepts_strides_for_small_images(hollow):
    network = hollow("mobilenet_v2", stem_stride=1, stage_strides=[1, 2, 1, 2, 1, 2, 1])

    assert network.body[:-1](torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1280, 4, 4)


def test_mobilenet_v2_raises_for_impossible_strides():
    with pytest.raises(SpecError, match=r"`stage_strides` 7 values of 1 or 2 \(got 2 and \[1, 2\]\)"):
        build("mobilenet_v2", stage_strides=[1, 2])
