"""Third-party classifiers: tiny networks in forms that `edgekit adopt` accepts, and in forms it refuses."""

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

    end: logits, softmax, softmax-reshaped, exp (probabilities without a Softmax node), percent, sigmoid, sigmoid-grid
    (of shape (N, classes, 1, 1)), sigmoids-joined (two Sigmoid nodes), sigmoid-percent or hard-sigmoid.
    classes: 4, or 5 with a leading background class, or 1.
    flatten: Flatten, or Reshape or Reshape-allowzero with a fixed batch.
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
    if flatten.startswith("Reshape"):
        weights["rows"] = np.array([batch, 8])
        attributes = {"allowzero": 1} if flatten == "Reshape-allowzero" else {}
        nodes.append(helper.make_node("Reshape", ["pooled", "rows"], ["flat"], **attributes))
    else:
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    linear = output_name if end == "logits" else "scores"
    nodes.append(helper.make_node("Gemm", ["flat", "head", "bias"], [linear], transB=1))
    nodes += _end(end, output_name, weights)
    output_shape = [batch, classes, 1, 1] if end == "sigmoid-grid" else [batch, classes]
    graph = helper.make_graph(
        nodes,
        "/srv/acme/train.py",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
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
    if end == "sigmoid-grid":
        weights["grid_shape"] = np.array([0, -1, 1, 1])
        sigmoid = helper.make_node("Sigmoid", ["scores"], ["shares"])
        return [sigmoid, helper.make_node("Reshape", ["shares", "grid_shape"], [output_name])]
    if end == "sigmoids-joined":
        parts = helper.make_node("Split", ["scores"], ["part_1", "part_2"], axis=1)
        sigmoids = [helper.make_node("Sigmoid", [f"part_{n}"], [f"share_{n}"]) for n in (1, 2)]
        return [parts, *sigmoids, helper.make_node("Concat", ["share_1", "share_2"], [output_name], axis=1)]
    if end == "sigmoid-percent":
        weights["hundred"] = np.array(100, np.float32)
        sigmoid = helper.make_node("Sigmoid", ["scores"], ["shares"])
        return [sigmoid, helper.make_node("Mul", ["shares", "hundred"], [output_name])]
    if end == "hard-sigmoid":
        return [helper.make_node("HardSigmoid", ["scores"], [output_name], alpha=0.02)]
    if end == "exp":
        weights["one"] = np.array([1])
        powers, total = helper.make_node("Exp", ["scores"], ["powers"]), ["powers", "one"]
        return [
            powers,
            helper.make_node("ReduceSum", total, ["total"], keepdims=1),
            helper.make_node("Div", ["powers", "total"], [output_name]),
        ]
    return []


def float16_model(**options: object) -> onnx.ModelProto:
    """Convert `plain_model(**options)` to float16: weights, input and output."""
    model = plain_model(**options)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def uint8_model(**options: object) -> onnx.ModelProto:
    """Put the normalization (x / 255 - 0.5) / 0.25, into `plain_model(**options)`."""
    model = plain_model(**options)
    graph, pixels = model.graph, model.graph.input[0].name
    constants = {"scale": np.array(1 / (255 * 0.25), np.float32), "shift": np.array(-2, np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node[0].input[0] = "normalized_pixels"
    steps = [
        helper.make_node("Cast", [pixels], ["float_pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float_pixels", "scale"], ["scaled_pixels"]),
        helper.make_node("Add", ["scaled_pixels", "shift"], ["normalized_pixels"]),
    ]
    for number, step in enumerate(steps):
        graph.node.insert(number, step)
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    return model


def refused_plain() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield models that adopt refuses: a name, the model, and words of the reason."""
    two = plain_model()
    two.graph.input.append(helper.make_tensor_value_info("length", TensorProto.INT64, ["N"]))
    two.graph.node.append(helper.make_node("Identity", ["length"], ["lengths"]))
    yield "two-inputs", two, "2 inputs"
    index = plain_model()
    index.graph.node.append(helper.make_node("ArgMax", ["output"], ["index"], axis=1))
    index.graph.output[0].CopyFrom(helper.make_tensor_value_info("index", TensorProto.INT64, ["N", 1]))
    yield "class-index", index, "export the model without ArgMax"
    grids = plain_model()
    grids.graph.output[0].CopyFrom(helper.make_tensor_value_info("active", TensorProto.FLOAT, ["N", 8, *SIZE]))
    grids.graph.output.append(helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["N", 8, *SIZE]))
    yield "two-grids", grids, r"no output is float \(1, classes\) \(got 2 outputs: 'active' float"
    half = plain_model()
    half.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    yield "float16", half, "onnxruntime cannot load it: .*float16"
    double = plain_model()
    double.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    yield "float64", double, r"float32, float16 or uint8 with 4 axes \(got double \(\?, 3, 12, 14\)\)"
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
    broken = plain_model()
    broken.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.full(4, np.nan, np.float32), "bias"))
    yield "not-a-number", broken, "not finite"
    external = plain_model()
    external.graph.initializer[0].ClearField("raw_data")
    external.graph.initializer[0].data_location = TensorProto.EXTERNAL
    external.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    yield "external", external, "refused: its weights are in '/etc/passwd'; only a file in the same folder"
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
