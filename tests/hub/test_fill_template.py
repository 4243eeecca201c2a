"""Templates filled with weights of the published layouts: torchvision's networks, and ours for EfficientNet-Lite."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from made_published import lite_network, lite_tensors, published_network, settle

from edgekit.artifact.info import ArtifactInfo, parse_info
from edgekit.errors import ArtifactError, SpecError, WeightsError
from edgekit.evaluate.parity import onnx_logits
from edgekit.hub.fill_template import fill_template, template_facts
from edgekit.hub.imagenet_weights import IMAGENET_WEIGHTS, PACKAGED
from edgekit.image.load import load_image
from edgekit.image.synthetic import draw_scenes
from edgekit.preprocess.spec import Preprocess
from edgekit.zoo.specs import SPECS

TEMPLATES = Path(__file__).parents[2] / "models" / "templates"
NETWORK = "efficientnet_lite0"
# Larger networks take seconds each, and differ from the others of their family in depth only: `check.py --long`.
_LARGE_PARAMETERS, _LARGE_MACS = 4e7, 3e9


def template_named(name: str) -> bytes:
    return (TEMPLATES / f"{name}.template").read_bytes()


def info_for(template: bytes, **changes: object) -> ArtifactInfo:
    facts = template_facts(template)
    info = ArtifactInfo(
        model=facts["network"],
        labels=tuple(f"class {index}" for index in range(facts["classes"])),
        preprocess=Preprocess.from_dict(facts["preprocess"]),
        license="unknown",
        precision=facts["precision"],
        weights_sha256=facts["weights_sha256"],
    )
    return dataclasses.replace(info, **changes)


@pytest.fixture(scope="module")
def template() -> bytes:
    return template_named(f"{NETWORK}-imagenet")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    return {name: tensor.numpy() for name, tensor in lite_tensors(NETWORK, lite_network(NETWORK)).items()}


def refusal(template: bytes, tensors: dict[str, np.ndarray]) -> str:
    with pytest.raises(WeightsError) as caught:
        fill_template(template, tensors, info=info_for(template))
    return str(caught.value)


def is_large(name: str) -> bool:
    return SPECS[name].parameters > _LARGE_PARAMETERS or SPECS[name].macs > _LARGE_MACS


@pytest.mark.parametrize("name", IMAGENET_WEIGHTS)
@torch.inference_mode()
def test_filled_template_computes_the_logits_of_the_published_network(name, torchvision_models):
    if is_large(name) and settings.get_current_profile_name() != "long":
        pytest.skip("large; runs with scripts/check.py --long")
    torch.manual_seed(0)
    template = template_named(f"{name}-imagenet")
    info = info_for(template)
    assert info.preprocess == SPECS[name].preprocess
    pixels = np.concatenate([info.preprocess.pixels(load_image(drawing)) for drawing in draw_scenes(2)])
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (info.preprocess.mean, info.preprocess.std))
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    network = lite_network(name) if name in PACKAGED else published_network(name, torchvision_models)
    settle(network, inputs)
    state = lite_tensors(name, network) if name in PACKAGED else network.state_dict()

    model = fill_template(template, {key: tensor.numpy() for key, tensor in state.items()}, info=info)

    expected = network(inputs).numpy()
    scale = np.abs(expected).max()
    assert np.abs(onnx_logits(model, name=name)(pixels) - expected).max() <= 1e-5 * scale
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale  # the logits depend on the image


def test_there_is_a_float32_template_for_every_network_with_published_weights():
    names = {path.stem for path in TEMPLATES.glob("*.template")}
    assert names == {*(f"{n}-imagenet" for n in IMAGENET_WEIGHTS), *(f"{n}-imagenet-int8" for n in PACKAGED)}


def test_templates_are_small():
    assert sum(path.stat().st_size for path in TEMPLATES.glob("*.template")) < 400_000


def test_filling_loads_neither_torch_nor_onnx():
    program = "import sys, edgekit.hub.fill_template; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "numpy" in modules
    assert {"torch", "onnx", "onnxruntime", "safetensors"}.isdisjoint(modules)


def test_filled_file_states_the_info_and_nothing_else(template, tensors):
    info = info_for(template, license="Apache-2.0", weights_sha256="ab" * 32)
    model = fill_template(template, tensors, info=info)
    assert parse_info(model, name="filled") == info
    assert model == fill_template(template, dict(reversed(tensors.items())), info=info)
    assert b"edgekit_template" not in model


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_floats_of_another_precision_are_converted(template, tensors, dtype):
    converted = {name: values.astype(dtype) for name, values in tensors.items()}
    rounded = {name: values.astype(dtype).astype(np.float32) for name, values in tensors.items()}
    info = info_for(template)
    assert fill_template(template, converted, info=info) == fill_template(template, rounded, info=info)


def test_read_only_and_unaligned_tensors_give_the_same_file(template, tensors):
    unaligned = {}
    for name, values in tensors.items():
        array = np.frombuffer(b"\0" + values.tobytes(), np.uint8)[1:].view(values.dtype).reshape(values.shape)
        unaligned[name] = array
    info = info_for(template)
    assert fill_template(template, unaligned, info=info) == fill_template(template, tensors, info=info)


def test_batch_counters_are_not_needed(template, tensors):
    fewer = {name: values for name, values in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(fewer) < len(tensors)
    assert fill_template(template, fewer, info=info_for(template))


def test_auxiliary_classifiers_are_optional(torchvision_models):
    state = published_network("googlenet", torchvision_models).state_dict()
    tensors = {name: tensor.numpy() for name, tensor in state.items()}
    fewer = {name: values for name, values in tensors.items() if not name.startswith("aux")}
    assert len(fewer) < len(tensors)
    template = template_named("googlenet-imagenet")
    models = [fill_template(template, each, info=info_for(template)) for each in (tensors, fewer)]
    assert models[0] == models[1]


def test_error_lists_every_tensor_that_does_not_fit(template, tensors):
    changed = {
        **tensors,
        "_bn0.weight": tensors["_bn0.weight"][:-1],
        "_bn0.bias": tensors["_bn0.bias"].astype(np.int64),
        "_bn1.running_var": np.full_like(tensors["_bn1.running_var"], np.nan),
        "_conv_head.weight": np.full(tensors["_conv_head.weight"].shape, 1e300),
        "_blocks.0._bn1.running_var": -tensors["_blocks.0._bn1.running_var"],
        "extra.weight": np.zeros(3, np.float32),
    }
    del changed["_fc.bias"]
    message = refusal(template, changed)
    assert message.startswith(
        "the weights do not fit efficientnet_lite0: 1 missing: _fc.bias; 1 unknown: extra.weight;"
    )
    assert "1 misshapen: _bn0.weight is (31,), not (32,)" in message
    assert "_bn0.bias is int64, not float32" in message
    assert "_blocks.0._bn1.running_var has negative values" in message
    assert "_bn1.running_var has values that are not finite in float32" in message
    assert "_conv_head.weight has values that are not finite in float32" in message


def test_weights_of_a_deeper_network_are_refused(torchvision_models):
    state = published_network("resnet34", torchvision_models).state_dict()
    message = refusal(template_named("resnet18-imagenet"), {name: tensor.numpy() for name, tensor in state.items()})
    assert "missing" not in message
    assert "unknown: layer1.2.conv1.weight" in message


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"labels": ("cat", "dog")}, "labels"),
        ({"precision": "int8"}, "precision"),
        ({"preprocess": Preprocess(resize=256, crop=224)}, "preprocess"),
    ],
)
def test_info_that_does_not_agree_with_the_template_is_refused(template, tensors, changes, argument):
    with pytest.raises(SpecError, match=rf"^`info.{argument}` must be"):
        fill_template(template, tensors, info=info_for(template, **changes))


def test_int8_template_accepts_only_the_weights_that_it_was_measured_with(tensors):
    template = template_named(f"{NETWORK}-imagenet-int8")
    assert template_facts(template)["weights_sha256"].startswith(PACKAGED[NETWORK].sha256)
    with pytest.raises(WeightsError, match=r"int8 template were measured with other weights: .* quantize it"):
        fill_template(template, tensors, info=info_for(template, weights_sha256="0" * 64))


def test_anything_but_a_template_is_refused(template, tensors):
    with pytest.raises(ArtifactError, match="not a template"):
        fill_template(b"template", tensors, info=info_for(template))
