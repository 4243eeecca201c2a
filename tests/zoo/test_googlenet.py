"""GoogLeNet: Inception modules, auxiliary classifiers, and the input transform of the published weights."""

from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgekit.artifact.info import ArtifactInfo
from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.preprocess.spec import Preprocess
from edgekit.zoo.blocks import ConvNormAct, GlobalAveragePool
from edgekit.zoo.build import build
from edgekit.zoo.inception_v1 import Inception
from edgekit.zoo.network import AUXILIARY_WEIGHT, Network, PixelNetwork
from edgekit.zoo.network_cost import layer_costs
from edgekit.zoo.specs import SPECS
from edgekit.zoo.weights import load_weights

both_forms = pytest.mark.parametrize("name", ["googlenet", "inception_v1"])


@both_forms
def test_inception_concatenates_its_four_branches(name, hollow):
    module = hollow(name).body.inception3a
    x = torch.empty(1, 192, 28, 28, device="meta")

    branches = [branch(x) for branch in (module.branch1x1, module.branch3x3, module.branch5x5, module.branch_pool)]

    assert [tuple(branch.shape[1:]) for branch in branches] == [(64, 28, 28), (128, 28, 28), (32, 28, 28), (32, 28, 28)]
    assert module(x).shape == (1, 256, 28, 28)


@both_forms
def test_inception_networks_are_22_layers_deep(name, hollow):
    """Section 5 of the paper counts the layers with weights, and the longest of parallel branches."""

    def depth(module):
        if isinstance(module, nn.Conv2d | nn.Linear):
            return 1
        longest_or_all = max if isinstance(module, Inception) else sum
        return longest_or_all([depth(child) for child in module.children()] or [0])

    assert depth(hollow(name)) == 22


@pytest.mark.parametrize(("name", "kernel"), [("inception_v1", 5), ("googlenet", 3)])
def test_inception_has_5x5_kernels_only_in_the_form_of_the_paper(name, kernel, hollow):
    modules = [module for module in hollow(name).modules() if isinstance(module, Inception)]

    assert [m.branch5x5.filter.conv.kernel_size for m in modules] == [(kernel, kernel)] * 9


def test_inception_v1_costs_as_in_table_1(hollow):
    """In millions. The paper's values for conv1 and 5a contradict the shapes in the same rows and are left out."""
    paper = {"conv2": 360, "inception3a": 128, "inception3b": 304, "inception4a": 73, "inception4b": 88}
    paper |= {"inception4c": 100, "inception4d": 119, "inception4e": 170, "inception5b": 71, "fc": 1}
    macs = dict.fromkeys(paper, 0)

    for layer in layer_costs(hollow("inception_v1"), Size(224, 224)):
        stage = layer.name.split(".")[1]
        if stage in macs:
            macs[stage] += layer.macs

    assert {stage: count / 1e6 for stage, count in macs.items()} == pytest.approx(paper, abs=1)


def test_inception_v1_initialization_preserves_the_signal():
    """There is no batch norm; with torch's own initialization, a billionth of the signal would be left."""
    torch.manual_seed(0)
    network = build("inception_v1").eval()

    with torch.inference_mode():
        features = network.body(torch.randn(4, 3, 64, 64))

    assert 0.1 < features.std() < 100


@both_forms
def test_auxiliary_classifiers_are_optional(name, hollow):
    without, with_auxiliary = hollow(name).state_dict(), hollow(name, auxiliary=True).state_dict()

    assert without.keys() < with_auxiliary.keys()
    assert {key.split(".")[0] for key in with_auxiliary.keys() - without.keys()} == {"auxiliary"}
    assert build("lenet5").training_logits(torch.zeros(2, 1, 32, 32))[1] == ()


@both_forms
def test_auxiliary_classifiers_read_4a_and_4d(name):
    network = build(name, classes=5, auxiliary=True).eval()
    x = torch.randn(1, 3, 96, 96)

    logits, auxiliary = network.training_logits(x)

    after_4a = network.body[: _position(network, "inception4a")](x)
    after_4d = network.body[: _position(network, "inception4d")](x)
    assert torch.equal(logits, network(x))
    assert torch.equal(auxiliary[0], network.auxiliary.inception4a(after_4a))
    assert torch.equal(auxiliary[1], network.auxiliary.inception4d(after_4d))
    assert [tuple(logits.shape) for logits in auxiliary] == [(1, 5), (1, 5)]


def _position(network, stage):
    """The index after that stage."""
    return [name for name, _ in network.body.named_children()].index(stage) + 1


@both_forms
def test_training_logits_give_gradients_to_every_parameter(name):
    torch.manual_seed(0)
    network = build(name, classes=3, auxiliary=True)
    pixels, labels = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8), torch.tensor([0, 2])

    logits, auxiliary = PixelNetwork(network, mean=(0.5,) * 3, std=(0.5,) * 3).training_logits(pixels)
    losses = [nn.functional.cross_entropy(output, labels) for output in (logits, *auxiliary)]
    (losses[0] + AUXILIARY_WEIGHT * sum(losses[1:])).backward()

    assert AUXILIARY_WEIGHT == 0.3
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(p.grad.any() for p in network.auxiliary.parameters() if p.ndim > 1)


@both_forms
def test_forward_does_not_run_the_auxiliary_classifiers(name):
    network = build(name, classes=3, auxiliary=True)
    calls = []
    for part in network.auxiliary.modules():
        part.register_forward_hook(lambda *_: calls.append(True))

    for mode in (True, False):
        logits = network.train(mode)(torch.randn(2, 3, 96, 96))

        assert logits.shape == (2, 3)
        assert not calls


def test_from_torch_leaves_out_the_auxiliary_classifiers(tmp_path):
    """With one Inception module, because exporting all nine takes long."""
    onnx = pytest.importorskip("onnx")
    from_torch = pytest.importorskip("edgekit.export.from_torch").from_torch
    unit, path, size = partial(ConvNormAct, norm=None), tmp_path / "network.onnx", Size(16, 16)
    body = {"conv1": unit(3, 8, kernel=3), "inception3a": Inception(8, (8, 4, 8, 4, 8, 8), unit=unit, five=5)}
    heads = {"inception3a": nn.Sequential(GlobalAveragePool(), nn.Linear(32, 2))}
    network = Network({**body, "pool": GlobalAveragePool()}, {"fc": nn.Linear(32, 2)}, auxiliary=heads)
    preprocess = Preprocess(resize=16, crop=size)

    from_torch(network, ArtifactInfo(model="googlenet", labels=("a", "b"), preprocess=preprocess, license="none"), path)

    graph = onnx.load(path).graph
    weights = [tensor.name for tensor in graph.initializer if tensor.name.startswith("network.")]
    assert len(network.training_logits(torch.zeros(1, 3, *size))[1]) == 1
    assert [output.name for output in graph.output] == ["logits"]
    assert any("inception3a" in name for name in weights)
    assert not [tensor.name for tensor in graph.initializer if "auxiliary" in tensor.name]
    assert len(weights) == len([*network.body.parameters(), *network.head.parameters()])


def test_training_logits_raise_for_an_input_that_is_too_small_for_the_auxiliary_classifiers():
    network = build("inception_v1", auxiliary=True).eval()

    network.training_logits(torch.zeros(1, 3, 79, 79))

    with pytest.raises(SpecError, match=r"^this network accepts inputs of at least 79x79 pixels \(got 78x100\)$"):
        network.training_logits(torch.zeros(1, 3, 78, 100))


def test_load_weights_with_auxiliary_classifiers_fits_networks_with_and_without(tmp_path):
    saved, path = build("googlenet", classes=3, auxiliary=True), tmp_path / "weights.safetensors"
    save_file(saved.state_dict(), path)
    without, with_auxiliary = build("googlenet", classes=3), build("googlenet", classes=3, auxiliary=True)

    load_weights(without, path, model="googlenet")
    load_weights(with_auxiliary, path, model="googlenet")

    assert torch.equal(without.head.fc.weight, saved.head.fc.weight)
    assert torch.equal(with_auxiliary.auxiliary.inception4d.fc.weight, saved.auxiliary.inception4d.fc.weight)


def test_load_weights_for_other_classes_keeps_the_last_layer_of_auxiliary_classifiers(tmp_path):
    saved, path = build("googlenet", classes=3, auxiliary=True), tmp_path / "weights.safetensors"
    save_file(saved.state_dict(), path)
    network = build("googlenet", classes=4, auxiliary=True)
    initial = network.auxiliary.inception4a.fc.weight.detach().clone()

    assert load_weights(network, path, model="googlenet", replace_head=True)

    classifier = network.auxiliary.inception4a
    assert torch.equal(classifier.fc.weight, initial)
    assert torch.equal(classifier.conv.conv.weight, saved.auxiliary.inception4a.conv.conv.weight)


def test_load_weights_without_auxiliary_classifiers_fits_a_network_with_them(tmp_path):
    saved, path = build("googlenet", classes=3), tmp_path / "weights.safetensors"
    save_file(saved.state_dict(), path)
    network = build("googlenet", classes=3, auxiliary=True)

    load_weights(network, path, model="googlenet")

    assert torch.equal(network.body.conv1.conv.weight, saved.body.conv1.conv.weight)


def test_load_weights_of_torchvision_gives_the_same_auxiliary_logits(torchvision_models, tmp_path):
    torch.manual_seed(0)
    published = torchvision_models.get_model("googlenet", weights=None, init_weights=False)
    network, path = build("googlenet", auxiliary=True), tmp_path / "googlenet.pth"
    torch.save(published.state_dict(), path)
    load_weights(network, path, model="googlenet")
    for module in (*published.modules(), *network.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = torch.randn(2, 3, 96, 96)

    with torch.no_grad():
        expected = published.train()(x)
        logits, auxiliary = network.train().training_logits(x)

    torch.testing.assert_close(
        (logits, *auxiliary), (expected.logits, expected.aux_logits1, expected.aux_logits2), rtol=1e-4, atol=1e-4
    )


def test_googlenet_preprocess_includes_the_published_input_transform(torchvision_models):
    """torchvision's network transforms ImageNet-normalized pixels; the spec's mean and std do both in one step."""
    network = torchvision_models.get_model("googlenet", weights=None, init_weights=False, transform_input=True)
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(1, 1, 1, 3)
    googlenet, imagenet = SPECS["googlenet"].preprocess, SPECS["resnet18"].preprocess

    normalized = PixelNetwork(nn.Identity(), mean=imagenet.mean, std=imagenet.std)(pixels)
    expected = network._transform_input(normalized)

    torch.testing.assert_close(
        PixelNetwork(nn.Identity(), mean=googlenet.mean, std=googlenet.std)(pixels), expected, rtol=0, atol=1e-6
    )
