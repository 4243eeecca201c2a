"""Third-party classifiers: tiny float32 networks in forms that `edgekit adopt` accepts, and in forms it refuses."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.image.size import Size

SIZE = Size(12, 14)
LABELS = ("red", "green", "blue", "black")
_RNG = np.random.default_rng(3)
_KERNEL = _RNG.normal(0, 0.4, (8, 3, 3, 3)).astype(np.float32)
_HEAD = _RNG.normal(0, 1.0, (5, 8)).astype(np.float32)
_BIAS = _RNG.normal(0, 0.5, 5).astype(np.float32)


def plain_model(
    *,
    layout: str = "nchw",
    end: str = "logits",
    classes: int = 4,
    batch: int | str = "N",
    opset: int = 17,
    flatten: str = "Flatten",
    names: tuple[str, str] = ("input", "output"),
) -> onnx.ModelProto:
    """Build convolution, ReLU, global average pooling and a linear layer.

    end: logits, softmax, softmax-reshaped, exp (probabilities without a Softmax node), percent or sigmoid.
    classes: 4, or 5 with a leading background class.
    flatten: Flatten, or Reshape with a fixed batch.
    """
    input_name, output_name = names
    weights = {"kernel": _KERNEL, "head": _HEAD[:classes], "bias": _BIAS[:classes]}
    nodes, pixels = [], input_name
    shape: list[int | str] = [batch, 3, *SIZE] if layout == "nchw" else [batch, *SIZE, 3]
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [input_name], ["planar"], perm=[0, 3, 1, 2]))
        pixels = "planar"
    nodes += [
        helper.make_node("Conv", [pixels, "kernel"], ["grid"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["grid"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
    ]
    if flatten == "Reshape":
        weights["rows"] = np.array([batch, 8])
        nodes.append(helper.make_node("Reshape", ["pooled", "rows"], ["flat"]))
    else:
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    linear = output_name if end == "logits" else "scores"
    nodes.append(helper.make_node("Gemm", ["flat", "head", "bias"], [linear], transB=1))
    nodes += _end(end, output_name, weights)
    graph = helper.make_graph(
        nodes,
        "/srv/acme/train.py",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model.producer_name, model.doc_string = "acme", "made in /srv/acme"
    model.metadata_props.add(key="author", value="someone@acme.example")
    return model


def _end(end: str, output_name: str, weights: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    if end == "softmax":
        return [helper.make_node("Softmax", ["scores"], [output_name], axis=1)]
    if end == "softmax-reshaped":
        weights["same_shape"] = np.array([0, -1])
        softmax = helper.make_node("Softmax", ["scores"], ["shares"], axis=1)
        return [softmax, helper.make_node("Reshape", ["shares", "same_shape"], [output_name])]
    if end == "percent":
        weights["hundred"] = np.array(100, np.float32)
        softmax = helper.make_node("Softmax", ["scores"], ["shares"], axis=1)
        return [softmax, helper.make_node("Mul", ["shares", "hundred"], [output_name])]
    if end == "sigmoid":
        return [helper.make_node("Sigmoid", ["scores"], [output_name])]
    if end == "exp":
        weights["one"] = np.array([1])
        powers, total = helper.make_node("Exp", ["scores"], ["powers"]), ["powers", "one"]
        return [
            powers,
            helper.make_node("ReduceSum", total, ["total"], keepdims=1),
            helper.make_node("Div", ["powers", "total"], [output_name]),
        ]
    return []


def refused_plain() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield models that adopt refuses: a name, the model, and words of the reason."""
    two = plain_model()
    two.graph.input.append(helper.make_tensor_value_info("length", TensorProto.INT64, ["N"]))
    yield "two-inputs", two, "2 inputs"
    outputs = plain_model()
    outputs.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 8]))
    yield "two-outputs", outputs, "2 outputs"
    half = plain_model()
    half.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    yield "float16", half, r"float16 \(\?, 3, 12, 14\)"
    flat = plain_model()
    del flat.graph.input[0].type.tensor_type.shape.dim[3]
    yield "three-axes", flat, r"float \(\?, 3, 12\)"
    channels = plain_model()
    channels.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    yield "four-channels", channels, r"\(\?, 4, 12, 14\) must have 1 or 3 channels"
    yield "batch-of-millions", plain_model(batch=10**7), r"at most 256 \(got 10000000\)"
    grid = plain_model()
    grid.graph.output[0].CopyFrom(helper.make_tensor_value_info("active", TensorProto.FLOAT, ["N", 8, *SIZE]))
    yield "returns-a-grid", grid, r"got float32 \(1, 8, 12, 14\)"
    yield "sigmoid", plain_model(end="sigmoid"), "ends in Sigmoid"
    broken = plain_model()
    broken.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.full(4, np.nan, np.float32), "bias"))
    yield "not-a-number", broken, "not finite"
    external = plain_model()
    external.graph.initializer[0].ClearField("raw_data")
    external.graph.initializer[0].data_location = TensorProto.EXTERNAL
    external.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    yield "external", external, "refused: the weights are in another file"
    body = helper.make_graph(
        [helper.make_node("Constant", [], ["inner"], value_floats=[1.0])],
        "body",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])],
    )
    loop = plain_model()
    loop.graph.node.append(helper.make_node("Loop", ["", "", "flat"], ["z"], body=body))
    yield "loop", loop, "refused: .*control flow"
    unknown = plain_model()
    unknown.graph.node[0].op_type = "NoSuchOperator"
    yield "unknown-operator", unknown, "not a valid ONNX file"
