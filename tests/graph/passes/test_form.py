"""The form of every pass: docs/contributing/adding-a-pass.md."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_networks import IMAGES, conv_network, minmax, with_large_layer
from onnx import ModelProto

import edgekit
from edgekit.quantize.calibrate import activation_statistics
from edgekit.quantize.passes.insert_qdq import quantized_tensors
from edgekit.quantize.weight_format import WeightFormat

ROOT = Path(edgekit.__file__).parent
PASSES = [
    f"edgekit.{room}.passes.{path.stem}"
    for room in ("graph", "quantize")
    for path in sorted((ROOT / room / "passes").glob("[!_]*.py"))
]


def pass_in(module: str) -> Callable[..., ModelProto]:
    return getattr(importlib.import_module(module), module.rpartition(".")[2])


@pytest.mark.parametrize("module", PASSES)
def test_pass_accepts_a_model_and_keyword_settings(module):
    signature = inspect.signature(pass_in(module))
    model, *settings = signature.parameters.values()
    assert (model.name, model.annotation, signature.return_annotation) == ("model", "ModelProto", "ModelProto")
    assert all(setting.kind is setting.KEYWORD_ONLY for setting in settings)


@pytest.mark.parametrize("module", PASSES)
def test_pass_has_numbered_rules(module):
    numbers = re.findall(r"^(\d)\. ", importlib.import_module(module).__doc__, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= 3


@pytest.mark.parametrize("module", PASSES)
def test_pass_does_not_change_its_model(module):
    model = with_large_layer(gemm=True) if module.endswith("store_dense_int8") else conv_network()
    before = model.SerializeToString(deterministic=True)
    values = {
        "batch": 2,
        "features": True,
        "maps": True,
        "statistics": activation_statistics(model, quantized_tensors(model), images=IMAGES),
        "ranges": minmax(model),
        "weight_format": WeightFormat(),
        "float_nodes": (),
        "temperature": 2.0,
    }
    rewrite = pass_in(module)
    settings = {name: values[name] for name in list(inspect.signature(rewrite).parameters)[1:]}
    assert isinstance(rewrite(model, **settings), ModelProto)
    assert model.SerializeToString(deterministic=True) == before
