"""The network of made_networks in the precisions that other tools write: float16 arithmetic, int8 in both notations."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from made_networks import IMAGES, conv_network
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

# Each of these has a layer in int8 before it, or after it, or both.
SOME_LAYERS = ("expand", "project", "logits")


def in_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Compute everything between the normalization and the logits in float16."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        if tensor.name not in ("scale", "shift"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    first = next(number for number, node in enumerate(graph.node) if "normalized" in node.input)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [{"logits": "half_logits"}.get(name, name) for name in names]
    for node in graph.node[first:]:
        node.input[:] = ["half" if name == "normalized" else name for name in node.input]
    graph.node.insert(first, helper.make_node("Cast", ["normalized"], ["half"], name="half", to=TensorProto.FLOAT16))
    last = helper.make_node("Cast", ["half_logits"], ["logits"], name="single", to=TensorProto.FLOAT)
    graph.node.append(last)
    return copy


class _Images(CalibrationDataReader):
    def __init__(self) -> None:
        self._images = iter(IMAGES)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"pixels": image}


def in_int8(notation: str, *, float_layers: tuple[str, ...] = ()) -> onnx.ModelProto:
    """Quantize the network with onnxruntime's own tool. notation: QDQ or QOperator."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        quantize_static(
            conv_network(),
            path,
            _Images(),
            quant_format=QuantFormat[notation],
            per_channel=notation == "QDQ",
            nodes_to_exclude=list(float_layers),
        )
        return onnx.load(path)
