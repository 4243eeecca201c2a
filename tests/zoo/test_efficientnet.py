"""EfficientNet: compound scaling, the published table, the lite networks, and impossible arguments."""

import pytest
import torch
from torch import nn

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.zoo.blocks import ReLU6, he_normal
from edgekit.zoo.build import build
from edgekit.zoo.efficientnet import scaling
from edgekit.zoo.mbconv import SqueezeExcite
from edgekit.zoo.network_cost import network_cost
from edgekit.zoo.specs import SPECS

# The authors' table (github.com/tensorflow/tpu, efficientnet_builder.py): width, depth, resolution, dropout.
_PUBLISHED = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
    "lite0": (1.0, 1.0, 224, 0.2),
    "lite1": (1.0, 1.1, 240, 0.2),
    "lite2": (1.1, 1.2, 260, 0.3),
    "lite3": (1.2, 1.4, 280, 0.3),
    "lite4": (1.4, 1.8, 300, 0.3),
}
# The number of parameters of each lite network in millions, as the same authors state it.
_LITE_PARAMETERS_M = {"lite0": 4.65, "lite1": 5.42, "lite2": 6.09, "lite3": 8.20, "lite4": 13.01}
lite = pytest.mark.parametrize("name", _LITE_PARAMETERS_M)


def _stages(network):
    """The channels and the number of layers of each stage."""
    stages = [stage for name, stage in network.body.named_children() if name.startswith("stage")]
    return [(stage[-1].layers.project.conv.out_channels, len(stage)) for stage in stages]


@pytest.mark.parametrize("name", _PUBLISHED)
def test_efficientnet_specs_agree_with_the_published_table(name):
    width_mult, depth_mult, resolution, dropout = _PUBLISHED[name]
    spec = SPECS[f"efficientnet_{name}"]

    assert spec.arguments["width_mult"] == width_mult
    assert spec.arguments["depth_mult"] == depth_mult
    assert spec.arguments["dropout"] == dropout
    assert spec.input == Size(resolution, resolution) or name == "b2"  # the weights of B2 were published for 288
    assert SPECS["efficientnet_b2"].input == Size(288, 288)


def test_efficientnet_b0_has_the_stages_of_table_1(hollow):
    assert _stages(hollow("efficientnet_b0")) == [(16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 4), (320, 1)]


def test_efficientnet_b7_rounds_channels_to_8_and_layers_up(hollow):
    assert _stages(hollow("efficientnet_b7")) == [(32, 4), (48, 7), (80, 7), (160, 10), (224, 10), (384, 13), (640, 4)]


@pytest.mark.parametrize(("phi", "name"), [(0, "b0"), (0.5, "b1"), (1, "b2"), (2, "b3")])
def test_scaling_is_close_to_the_published_table(phi, name):
    width_mult, depth_mult, resolution, _ = _PUBLISHED[name]

    scaled = scaling(phi)

    assert scaled.width_mult == pytest.approx(width_mult, rel=0.05)
    assert scaled.depth_mult == pytest.approx(depth_mult, rel=0.05)
    assert scaled.resolution == pytest.approx(resolution, rel=0.02)


def test_efficientnet_phi_follows_the_scaling_rule(hollow):
    """Computed by hand: width 1.1^1.7 = 1.176, depth 1.2^1.7 = 1.363, resolution 224 * 1.15^1.7 = 284.07."""
    scaled, network = scaling(1.7), hollow("efficientnet", phi=1.7)

    assert scaled == (pytest.approx(1.1759, abs=1e-4), pytest.approx(1.3633, abs=1e-4), 284)
    assert _stages(network) == [(24, 2), (32, 3), (48, 3), (96, 5), (128, 5), (224, 6), (376, 2)]
    assert network.body.stem.conv.out_channels == 40
    assert network.head.fc.in_features == 1504


def test_efficientnet_phi_multiplies_the_multipliers(hollow):
    assert _stages(hollow("efficientnet", phi=1)) == _stages(hollow("efficientnet", width_mult=1.1, depth_mult=1.2))
    assert _stages(hollow("efficientnet_b2", phi=-1)) == _stages(hollow("efficientnet_b0"))


@pytest.mark.parametrize("phi", [1, 2, 3])
def test_efficientnet_cost_about_doubles_with_each_phi(phi, hollow):
    """The paper's constraint is alpha * beta^2 * gamma^2 = 1.92; rounding layers and channels adds to the cost."""
    scaled = scaling(phi)
    macs = network_cost(hollow("efficientnet", phi=phi), Size(scaled.resolution, scaled.resolution)).macs

    assert scaled.depth_mult * (scaled.width_mult * scaled.resolution / 224) ** 2 == pytest.approx(1.92**phi, rel=0.01)
    assert 1.92**phi < macs / SPECS["efficientnet"].macs < 1.4 * 1.92**phi


@pytest.mark.parametrize(("width_mult", "depth_mult", "pixels"), [(0.35, 0.5, 96), (1.3, 0.7, 131)])
def test_efficientnet_accepts_any_width_depth_and_resolution(width_mult, depth_mult, pixels, hollow):
    network = hollow("efficientnet", width_mult=width_mult, depth_mult=depth_mult, classes=3)

    assert network(torch.empty(1, 3, pixels, pixels, device="meta")).shape == (1, 3)


@lite
def test_efficientnet_lite_has_the_published_number_of_parameters(name):
    assert SPECS[f"efficientnet_{name}"].parameters / 1e6 == pytest.approx(_LITE_PARAMETERS_M[name], abs=0.005)


@lite
def test_efficientnet_lite_has_no_slow_int8_operators_and_fixed_ends(name, hollow):
    network = hollow(f"efficientnet_{name}")
    module_types = {type(module) for module in network.modules()}

    assert ReLU6 in module_types
    assert not module_types & {SqueezeExcite, nn.SiLU, nn.Sigmoid}
    assert network.body.stem.conv.out_channels == 32
    assert network.head.fc.in_features == 1280
    assert len(network.body.stage1) == len(network.body.stage7) == 1


def test_efficientnet_is_deterministic_in_evaluation_only():
    torch.manual_seed(0)
    network = he_normal(build("efficientnet", width_mult=0.25, dropout=0.0, drop_path=0.5))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    x = torch.randn(4, 3, 32, 32)

    with torch.inference_mode():
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x))


def test_efficientnet_accepts_strides_and_activations_per_stage(hollow):
    activation = ["relu6"] * 5 + ["hard_swish"] * 4
    network = hollow("efficientnet_b0", stem_stride=1, stage_strides=[1, 1, 2, 2, 1, 2, 1], activation=activation)
    assert network.body[:-1](torch.empty((1, 3, 32, 32), device="meta")).shape == (1, 1280, 4, 4)
    for name, expected in {"stem": ReLU6, "stage4": ReLU6, "stage5": nn.Hardswish, "last": nn.Hardswish}.items():
        modules = dict(network.body.named_children())[name].named_modules()
        assert {type(module) for path, module in modules if path.endswith("act")} == {expected}, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width_mult": 0}, r"`width_mult` must be a number from 0.001 to 10 \(got 0\)"),
        ({"depth_mult": -1}, r"`depth_mult` must be a number from 0.001 to 10 \(got -1\)"),
        ({"phi": 11}, r"`phi` must be from -10 to 10 \(got 11\)"),
        ({"phi": float("nan")}, r"`phi` must be from -10 to 10 \(got nan\)"),
        ({"drop_path": 1}, r"`drop_path` must be at least 0 and below 1 \(got 1\)"),
        ({"padding": "same"}, "did you mean tf_same"),
        ({"stage_strides": [1, 2]}, r"`stage_strides` 7 values of 1 or 2 \(got 2 and \[1, 2\]\)"),
        ({"stem_stride": 4}, r"`stem_stride` must be 1 or 2 .* \(got 4 and"),
        ({"activation": "relu7"}, "unknown activation .relu7.; did you mean relu or relu6"),
        ({"activation": ["relu6", "silu"]}, r"one name, or 9 for .* \(got \['relu6', 'silu'\]\)"),
    ],
)
def test_efficientnet_raises_for_impossible_arguments(arguments, message):
    with pytest.raises(SpecError, match=message):
        build("efficientnet", **arguments)
