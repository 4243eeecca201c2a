"""Networks that torchvision has too: they load its state dict, compute the same logits and have the same cost."""

import pytest
import torch
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.image.size import Size
from edgekit.zoo.build import build, published_keys
from edgekit.zoo.specs import SPECS
from edgekit.zoo.weights import load_weights, renamed_tensors

_PUBLISHED_NAMES = {"alexnet_owt": "alexnet", "efficientnet": "efficientnet_b0"}
# The spec's mean and std include GoogLeNet's input transform.
_PUBLISHED_ARGUMENTS = {"googlenet": {"init_weights": False, "transform_input": False}}
# An uneven size, where rounding matters, and the default size, or a smaller one for expensive networks.
_UNEVEN, _EVEN = Size(97, 65), Size(128, 128)
_MAX_MACS = 2e9

# Listed by hand, so that a network without a key table is noticed.
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

    def build_peer(name):
        with torch.device("meta"):  # torchvision's initialization is slow, and sets all biases and shifts to zero
            network = torchvision_models.get_model(
                _PUBLISHED_NAMES.get(name, name), weights=None, **_PUBLISHED_ARGUMENTS.get(name, {})
            )
        state = {key: _random(key, tensor, network) for key, tensor in network.state_dict().items()}
        network.load_state_dict(state, assign=True)
        return network.eval()

    return build_peer


def _random(key, tensor, network):
    """Weights that preserve the magnitude of the signal; random statistics, scales and shifts of batch norms."""
    module, parameter = key.rsplit(".", 1)
    if parameter == "num_batches_tracked":
        return torch.tensor(0)
    if tensor.ndim > 1:
        return torch.randn(tensor.shape) * (2 / tensor[0].numel()) ** 0.5
    if isinstance(network.get_submodule(module), torch.nn.BatchNorm2d) and parameter in ("weight", "running_var"):
        return torch.rand(tensor.shape) + 0.5
    return torch.randn(tensor.shape) * 0.1


def test_published_keys_exist_for_the_networks_that_torchvision_has():
    assert {name for name in SPECS if published_keys(name)} == _SHARED


@published
def test_spec_cost_is_the_published_cost(name, torchvision_models):
    weights = torchvision_models.get_model_weights(_PUBLISHED_NAMES.get(name, name)).DEFAULT

    assert SPECS[name].parameters == weights.meta["num_params"]
    assert round(SPECS[name].macs / 1e9, 3) == weights.meta["_ops"]


@published
@torch.inference_mode()
def test_published_weights_give_the_same_logits(name, peer, hollow):
    torch.manual_seed(0)
    published, network = peer(name), hollow(name)

    state = renamed_tensors(published.state_dict(), published_keys(name))
    state = {key: tensor for key, tensor in state.items() if not key.startswith("auxiliary.")}
    network.load_state_dict(state, strict=True, assign=True)

    for size in (_UNEVEN, SPECS[name].input if SPECS[name].macs < _MAX_MACS else _EVEN):
        pixels = torch.randn(2, 3, *size)
        expected, logits = published(pixels), network(pixels)
        scale = expected.abs().max()
        assert (logits - expected).abs().max() <= 1e-4 * scale
        assert (expected[0] - expected[1]).abs().max() > 1e-2 * scale  # the logits depend on the image


@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v2", "resnet18"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@torch.inference_mode()
def test_load_weights_reads_published_files(name, suffix, peer, tmp_path):
    published, network, path = peer(name), build(name).eval(), tmp_path / f"weights{suffix}"
    torch.save(published.state_dict(), path) if suffix == ".pth" else save_file(published.state_dict(), path)

    assert load_weights(network, path, model=name) is False

    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(network(pixels), published(pixels), rtol=1e-4, atol=1e-4)


def test_load_weights_raises_for_a_file_of_another_depth(peer, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(peer("resnet34").state_dict(), path)

    with pytest.raises(WeightsError, match=r"unknown: .*layer1[.]2[.].* and \d+ more"):
        load_weights(build("resnet18"), path, model="resnet18")


def test_load_weights_of_other_classes_keeps_the_head_only_with_replace_head(peer, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(peer("resnet18").state_dict(), path)
    network = build("resnet18", classes=7)
    head = network.head.fc.weight.detach().clone()

    with pytest.raises(WeightsError, match=r"2 misshapen: .*head[.]fc[.]weight"):
        load_weights(network, path, model="resnet18", classes=7)
    assert load_weights(network, path, model="resnet18", replace_head=True, classes=7) is True

    assert torch.equal(network.head.fc.weight, head)
