"""MobileNetV3: the rows of tables 1 and 2, the widths that torchvision builds too, and impossible arguments."""

import pytest
import torch
from made_published import random_state
from torch import nn

from edgekit.errors import SpecError
from edgekit.zoo.blocks import ReLU6, round_channels
from edgekit.zoo.build import build, published_keys
from edgekit.zoo.mbconv import SqueezeExcite
from edgekit.zoo.mobilenet_v3 import InvertedResidual
from edgekit.zoo.specs import SPECS
from edgekit.zoo.weights import renamed_tensors

# Tables 1 and 2 row by row: kernel, "exp size", "#out", "SE", "NL" (RE for relu, HS for hard-swish) and "s".
_ROWS = {
    "large": """
        3  16  16 - RE 1
        3  64  24 - RE 2
        3  72  24 - RE 1
        5  72  40 x RE 2
        5 120  40 x RE 1
        5 120  40 x RE 1
        3 240  80 - HS 2
        3 200  80 - HS 1
        3 184  80 - HS 1
        3 184  80 - HS 1
        3 480 112 x HS 1
        3 672 112 x HS 1
        5 672 160 x HS 2
        5 960 160 x HS 1
        5 960 160 x HS 1
    """,
    "small": """
        3  16  16 x RE 2
        3  72  24 - RE 2
        3  88  24 - RE 1
        5  96  40 x HS 2
        5 240  40 x HS 1
        5 240  40 x HS 1
        5 120  48 x HS 1
        5 144  48 x HS 1
        5 288  96 x HS 2
        5 576  96 x HS 1
        5 576  96 x HS 1
    """,
}
each_size = pytest.mark.parametrize("size", _ROWS)


def _row(block: InvertedResidual) -> str:
    depthwise, layers = block.layers.depthwise, dict(block.layers.named_children())
    squeeze = "x" if "squeeze_excite" in layers else "-"
    activation = {nn.ReLU: "RE", nn.Hardswish: "HS"}[type(depthwise.act)]
    channels = (depthwise.conv.out_channels, layers["project"].conv.out_channels)
    return (
        f"{depthwise.conv.kernel_size[0]} {channels[0]} {channels[1]} {squeeze} {activation} {depthwise.conv.stride[0]}"
    )


@each_size
def test_mobilenet_v3_has_the_blocks_of_its_table(size, hollow):
    blocks = [module for module in hollow(f"mobilenet_v3_{size}").modules() if isinstance(module, InvertedResidual)]

    assert [_row(block) for block in blocks] == [" ".join(row.split()) for row in _ROWS[size].strip().split("\n")]
    # The "exp size" of the first block is its number of input channels.
    assert ["expand" in dict(block.layers.named_children()) for block in blocks] == [False] + [True] * (len(blocks) - 1)


@each_size
def test_mobilenet_v3_squeezes_to_a_quarter_of_the_expanded_channels(size, hollow):
    gates = [module.gate for module in hollow(f"mobilenet_v3_{size}").modules() if isinstance(module, SqueezeExcite)]

    for gate in gates:
        assert gate.reduce.out_channels == round_channels(gate.reduce.in_channels / 4)
        assert isinstance(gate.sigmoid, nn.Hardsigmoid)
    assert len(gates) == {"large": 8, "small": 9}[size]


@each_size
@pytest.mark.parametrize("width_mult", [0.5, 0.75, 1.25])
@torch.inference_mode()
def test_mobilenet_v3_of_other_widths_gives_torchvisions_logits(size, width_mult, hollow, torchvision_models):
    torch.manual_seed(0)
    name = f"mobilenet_v3_{size}"
    with torch.device("meta"):
        published = torchvision_models.get_model(name, weights=None, width_mult=width_mult, num_classes=7)
    published.load_state_dict(random_state(published), assign=True)
    network = hollow(name, width_mult=width_mult, classes=7)
    keys = published_keys(name, width_mult=width_mult)
    network.load_state_dict(renamed_tensors(published.state_dict(), keys), strict=True, assign=True)

    pixels = torch.randn(2, 3, 96, 64)
    expected = published.eval()(pixels)
    torch.testing.assert_close(network(pixels), expected, rtol=1e-4, atol=float(1e-4 * expected.abs().max()))


def test_mobilenet_v3_accepts_strides_for_small_images(hollow):
    network = hollow("mobilenet_v3_small", stem_stride=1, stage_strides=[1, 2, 2, 1, 2])

    assert network.body[:-2](torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 576, 4, 4)
    assert SPECS["mobilenet_v3_small"].arguments == {"size": "small"}


@pytest.mark.parametrize(
    ("depth_mult", "expanded"),
    [
        (0.6, [[16], [72, 88], [96, 240], [120, 144], [288, 576]]),
        (1.4, [[16, 16], [72, 88, 88], [96, 240, 240, 240, 240], [120, 144, 144], [288, 576, 576, 576, 576]]),
    ],
)
def test_mobilenet_v3_depth_multiplier_cuts_or_repeats_the_last_blocks_of_a_stage(depth_mult, expanded, hollow):
    network = hollow("mobilenet_v3_small", depth_mult=depth_mult)
    stages = [stage for name, stage in network.body.named_children() if name.startswith("stage")]

    assert [[block.layers.depthwise.conv.out_channels for block in stage] for stage in stages] == expanded
    modules = {name.rpartition(".")[0] for name in network.state_dict()}
    assert set(published_keys("mobilenet_v3_small", depth_mult=depth_mult).values()) == modules


@each_size
def test_mobilenet_v3_activation_replaces_all_but_those_of_the_gates(size, hollow):
    network = hollow(f"mobilenet_v3_{size}", activation="relu6")
    gates = [module.gate for module in network.modules() if isinstance(module, SqueezeExcite)]

    assert {
        type(module) for name, module in network.named_modules() if name.endswith("act") and "gate" not in name
    } == {ReLU6}
    assert {type(gate.act) for gate in gates} == {nn.ReLU}
    assert {type(gate.sigmoid) for gate in gates} == {nn.Hardsigmoid}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "smaller"}, "unknown size 'smaller'; did you mean small"),
        ({"stage_strides": [1, 2]}, r"`stage_strides` 6 values of 1 or 2 \(got 2 and \[1, 2\]\)"),
        ({"stem_stride": 4}, r"`stem_stride` must be 1 or 2 .* \(got 4 and"),
        ({"padding": "same"}, "did you mean tf_same"),
        ({"activation": "swish"}, "unknown activation 'swish'; did you mean hard_swish"),
    ],
)
def test_mobilenet_v3_raises_for_impossible_arguments(arguments, message):
    with pytest.raises(SpecError, match=message):
        build("mobilenet_v3_large", **arguments)
