"""Every architecture that torchvision also has takes its state dict, answers the same, and costs the same."""

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.image.size import Size
from edgekit.zoo.build import build, published_keys
from edgekit.zoo.specs import SPECS
from edgekit.zoo.weights import load_weights, renamed_tensors

_THEIR_NAMES = {"alexnet_owt": "alexnet", "efficientnet": "efficientnet_b0"}
# GoogLeNet's own input transform is in our spec's mean and std.
_THEIR_ARGUMENTS = {"googlenet": {"init_weights": False, "transform_input": False}}
# Any sizes would do: an uneven one, where rounding shows, and the spec's own where that is quick.
_UNEVEN, _EVEN = Size(97, 65), Size(128, 128)
_QUICK_MACS = 2e9

# By name, and not by what the key tables happen to cover.
_SHARED = {
    *("alexnet_owt", "googlenet", "mobilenet_v2", "efficientnet"),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"efficientnet_b{size}" for size in range(8)),
}

published = pytest.mark.parametrize("name", sorted(_SHARED))


@pytest.fixture
def peer(torchvision_models):
    """A function from our name to torchvision's network, in evaluation mode, with random weights."""

    def theirs(name):
        with torch.device("meta"):  # their own initialization is slow, and all zero where it matters
            network = torchvision_models.get_model(
                _THEIR_NAMES.get(name, name), weights=None, **_THEIR_ARGUMENTS.get(name, {})
            )
        state = {key: _random(key, tensor, network) for key, tensor in network.state_dict().items()}
        network.load_state_dict(state, assign=True)
        return network.eval()

    return theirs


def _random(key, tensor, network):
    """Weights that keep the signal's size, and batch norms with statistics, scales and shifts of their own."""
    module, parameter = key.rsplit(".", 1)
    if parameter == "num_batches_tracked":
        return torch.tensor(0)
    if tensor.ndim > 1:
        return torch.randn(tensor.shape) * (2 / tensor[0].numel()) ** 0.5
    if isinstance(network.get_submodule(module), torch.nn.BatchNorm2d) and parameter in ("weight", "running_var"):
        return torch.rand(tensor.shape) + 0.5
    return torch.randn(tensor.shape) * 0.1


def test_key_tables_are_for_the_architectures_that_both_have():
    assert {name for name in SPECS if published_keys(name)} == _SHARED


@published
def test_cost_is_the_published_one(name, torchvision_models):
    weights = torchvision_models.get_model_weights(_THEIR_NAMES.get(name, name)).DEFAULT

    assert SPECS[name].parameters == weights.meta["num_params"]
    assert round(SPECS[name].macs / 1e9, 3) == weights.meta["_ops"]


@published
@torch.inference_mode()
def test_takes_their_weights_and_answers_the_same(name, peer, hollow):
    torch.manual_seed(0)
    theirs, ours = peer(name), hollow(name)

    state = renamed_tensors(theirs.state_dict(), published_keys(name))
    ours.load_state_dict({k: t for k, t in state.items() if not k.startswith("auxiliary.")}, strict=True, assign=True)

    for size in (_UNEVEN, SPECS[name].input if SPECS[name].macs < _QUICK_MACS else _EVEN):
        pixels = torch.randn(2, 3, *size)
        expected, logits = theirs(pixels), ours(pixels)
        scale = expected.abs().max()
        assert (logits - expected).abs().max() <= 1e-4 * scale
        assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale  # or the images would not have mattered


@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v2", "resnet18"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@torch.inference_mode()
def test_their_file_loads(name, suffix, peer, tmp_path):
    theirs, ours, path = peer(name), build(name).eval(), tmp_path / f"weights{suffix}"
    torch.save(theirs.state_dict(), path) if suffix == ".pth" else save_file(theirs.state_dict(), path)

    assert load_weights(ours, path, model=name) is False

    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(ours(pixels), theirs(pixels), rtol=1e-4, atol=1e-4)


def test_a_file_of_another_depth_is_refused_by_name(peer, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(peer("resnet34").state_dict(), path)

    with pytest.raises(WeightsError, match=r"unknown: .*layer1[.]2[.].* and \d+ more"):
        load_weights(build("resnet18"), path, model="resnet18")


def test_a_head_of_other_classes_stays_only_where_that_is_asked_for(peer, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(peer("resnet18").state_dict(), path)
    ours = build("resnet18", classes=7)
    head = ours.head.fc.weight.detach().clone()

    with pytest.raises(WeightsError, match=r"2 misshapen: .*head[.]fc[.]weight"):
        load_weights(ours, path, model="resnet18", classes=7)
    assert load_weights(ours, path, model="resnet18", replace_head=True, classes=7) is True

    assert torch.equal(ours.head.fc.weight, head)
