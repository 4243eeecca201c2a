"""Models of a few kilobytes with one node that would run for minutes, and nodes whose output shapes are compared."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"f": TensorProto.FLOAT, "d": TensorProto.DOUBLE, "q": TensorProto.INT64, "i": TensorProto.INT32}
TYPES |= {"B": TensorProto.UINT8, "b": TensorProto.INT8, "?": TensorProto.BOOL}
MICROSOFT = "com.microsoft"
# The scale and zero point of one quantized tensor.
_SCALES = (np.float32(0.1), np.uint8(0))
_BIG, _IMAGE, _VOLUME, _ROW = "f 4096 4096", "f 1 1 1024 1024", "f 1 1 100 100 100", "f 1 4 2000000"


def node_model(op_type: str, inputs: list[object], outputs: int, domain: str, **attributes: object) -> onnx.ModelProto:
    """Build a model of one node.

    inputs: "f 2 3" for a tensor of zeros of that type and shape, made by ConstantOfShape; an array for a constant; None
    for an input that is left out.
    """
    names, nodes, constants = [], [], []
    for index, value in enumerate(inputs):
        names.append("" if value is None else f"in{index}")
        if isinstance(value, str):
            kind, *extents = value.split()
            constants.append(numpy_helper.from_array(np.array(extents, np.int64), f"shape{index}"))
            zero = helper.make_tensor("zero", TYPES[kind], [1], [0])
            nodes.append(helper.make_node("ConstantOfShape", [f"shape{index}"], [names[-1]], value=zero))
        elif value is not None:
            constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
    results = [f"out{index}" for index in range(outputs)]
    nodes.append(helper.make_node(op_type, names, results, domain=domain, **attributes))
    graph = helper.make_graph(nodes, "costly", [], [onnx.ValueInfoProto(name=name) for name in results], constants)
    imports = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def _quantized(left: str, right: str) -> list[object]:
    return [left, *_SCALES, right, np.float32(0.1), np.int8(0) if right[0] == "b" else np.uint8(0), *_SCALES]


def _costly_windows() -> Iterator[tuple[str, list[object], int, str, dict[str, object]]]:
    wide, long, cube = {"kernel_shape": [512, 512]}, {"kernel_shape": [1000]}, {"kernel_shape": [50, 50, 50]}
    for op_type in ("AveragePool", "MaxPool", "LpPool"):
        yield op_type, [_IMAGE], 1, "", wide
        yield op_type, [_ROW], 1, "", long
        yield op_type, [_VOLUME], 1, "", cube
    yield "MaxPool", [_IMAGE], 2, "", wide
    yield "MaxPool", ["B 1 1 1024 1024"], 1, "", wide
    yield "MaxPool", [_IMAGE], 1, "", {"kernel_shape": [256, 256], "dilations": [2, 2]}
    yield "AveragePool", [_IMAGE], 1, "", {"kernel_shape": [512, 512], "auto_pad": "SAME_UPPER"}
    yield "AveragePool", [_IMAGE], 1, "", {"kernel_shape": [512, 512], "pads": [511] * 4, "ceil_mode": 1}
    yield "QLinearAveragePool", ["B 1 1 1024 1024", *_SCALES, *_SCALES], 1, MICROSOFT, wide
    yield "Conv", [_IMAGE, "f 1 1 512 512"], 1, "", {}
    yield "Conv", ["f 1 512 128 128", "f 512 512 9 9"], 1, "", {"pads": [99] * 4}
    yield "Conv", ["f 1 16 512 512", "f 16 1 128 128"], 1, "", {"group": 16}
    yield "Conv", [_ROW, "f 4 4 1000"], 1, "", {}
    yield "Conv", [_VOLUME, "f 1 1 50 50 50"], 1, "", {}
    yield "Conv", ["f 16000000 1 1 1", "f 1 1 1 1"], 1, "", {}
    yield "FusedMatMul", ["f 3000 5000", "f 5000 3000"], 1, MICROSOFT, {"transA": 1, "transB": 1}
    yield "FusedConv", [_IMAGE, "f 1 1 512 512"], 1, MICROSOFT, {"activation": "Relu"}
    yield "ConvInteger", ["B 1 1 1024 1024", "B 1 1 512 512"], 1, "", {}
    yield "QLinearConv", _quantized("B 1 1 1024 1024", "b 1 1 512 512"), 1, "", {}
    yield "ConvTranspose", ["f 1 1 512 512", "f 1 1 512 512"], 1, "", {}
    yield "ConvTranspose", ["f 1 16 256 256", "f 16 1 512 512"], 1, "", {"group": 16}


def _costly_products() -> Iterator[tuple[str, list[object], int, str, dict[str, object]]]:
    for kind in "qi":
        yield "MatMul", [f"{kind} 4096 4096", f"{kind} 4096 4096"], 1, "", {}
        yield "Gemm", [f"{kind} 4096 4096", f"{kind} 4096 4096"], 1, "", {}
    for kind in "fd":
        yield "MatMul", [f"{kind} 5000 3000", f"{kind} 3000 5000"], 1, "", {}
        yield "Gemm", [f"{kind} 3000 5000", f"{kind} 5000 3000"], 1, "", {"transA": 1, "transB": 1}
    yield "MatMul", ["f 8000000 1 1", "f 8000000 1 1"], 1, "", {}
    yield "MatMul", ["f 4000 1 1 4000", "f 1 4000 4000 1"], 1, "", {}
    yield "MatMulInteger", ["B 5000 3000", "B 3000 5000"], 1, "", {}
    yield "QLinearMatMul", _quantized("B 5000 3000", "B 3000 5000"), 1, "", {}
    yield "QGemm", [*_quantized("B 5000 3000", "B 3000 5000")[:6], None, *_SCALES], 1, MICROSOFT, {}
    yield "DynamicQuantizeMatMul", ["f 5000 3000", "B 3000 5000", np.float32(1)], 1, MICROSOFT, {}
    yield "MatMulNBits", ["f 5000 3000", "B 1 1 1", "f 1"], 1, MICROSOFT, {"K": 3000, "N": 10_000}
    yield "Einsum", [_BIG, _BIG], 1, "", {"equation": "ij,jk->ik"}
    yield "Einsum", [_BIG, _BIG], 1, "", {"equation": "ij,kl->ijkl"}
    yield "Einsum", ["f 5000 3000", "f 5000 3000"], 1, "", {"equation": "ij,ij->ij"}
    yield "Einsum", ["f 200 200", "f 200 200", "f 200 200"], 1, "", {"equation": "ab,cd,ef->"}
    yield "Attention", ["f 1 16384 64", "f 64 192", "f 192"], 1, MICROSOFT, {"num_heads": 8}
    yield "MultiHeadAttention", ["f 1 16384 64", "f 1 16384 64", "f 1 16384 64"], 1, MICROSOFT, {"num_heads": 8}
    yield "Attention", ["f 1 8 16384 8", "f 1 8 16384 8", "f 1 8 16384 8"], 1, "", {}
    for op_type, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        weights = [f"f 1 {gates * 512} 4", f"f 1 {gates * 512} 512"]
        yield op_type, ["f 1000000 1 4", *weights], 1, "", {"hidden_size": 512}


def _costly_others() -> Iterator[tuple[str, list[object], int, str, dict[str, object]]]:
    column, row = "f 20000 1", "f 1 20000"
    for op_type in ("Add", "Mul", "Pow", "PRelu", "Max", "Mod"):
        yield op_type, [column, row], 1, "", {"fmod": 1} if op_type == "Mod" else {}
    yield "Sum", [column] + ["f 1 200"] * 400, 1, "", {}
    yield "Where", ["? 20000 1", row, row], 1, "", {}
    yield "Equal", [column, row], 1, "", {}
    yield "Expand", [row, np.array([20_000, 1])], 1, "", {}
    yield "Gather", ["f 1 1024", "q 1000000"], 1, "", {}
    yield "OneHot", ["q 4000000", np.array(100), np.zeros(2, np.float32)], 1, "", {}
    yield "Tile", [_BIG, np.array([1, 16])], 1, "", {}
    yield "TopK", ["f 16000000", np.array([8_000_000])], 2, "", {}
    yield "Resize", [_IMAGE, None, np.array([1, 1, 8, 8], np.float32)], 1, "", {"mode": "cubic"}
    yield "LRN", ["f 1 20000 30 30"], 1, "", {"size": 20_001}
    yield "Multinomial", ["f 1 1000000"], 1, "", {"sample_size": 100_000}


# Data-dependent sizes, and kernels whose time nobody has measured.
_UNPREDICTABLE = (
    *(
        "NonZero",
        "Unique",
        "NonMaxSuppression",
        "Compress",
        "Det",
        "DFT",
        "STFT",
        "RoiAlign",
        "GridSample",
        "MaxUnpool",
    ),
    *("Col2Im", "DeformConv", "MaxRoiPool", "AffineGrid", "MelWeightMatrix", "HannWindow", "TfIdfVectorizer"),
    *("StringNormalizer", "RegexFullMatch", "StringSplit", "ImageDecoder", "SequenceConstruct", "SplitToSequence"),
    *("Optional", "ReverseSequence", "NegativeLogLikelihoodLoss"),
)


def _rows() -> Iterator[tuple[str, list[object], int, str, dict[str, object]]]:
    yield from _costly_windows()
    yield from _costly_products()
    yield from _costly_others()


def smaller_nodes(is_accepted: Callable[[bytes], bool]) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield the same nodes with extents that are divided until a model is accepted. Some do not run any more."""
    for number, (op_type, inputs, outputs, domain, attributes) in enumerate(_rows()):
        divisor, model = 1.0, None
        while model is None or not is_accepted(model.SerializeToString()):
            fewer = [_divided(value, divisor) for value in inputs]
            narrower = {name: _divided(value, divisor) for name, value in attributes.items()}
            model, divisor = node_model(op_type, fewer, outputs, domain, **narrower), divisor * 1.2
        yield f"{op_type}-{number}", model


def _divided(value: object, divisor: float) -> object:
    """A description, an attribute or a constant in which every number above 16 is divided."""
    if isinstance(value, str):
        kind, *extents = value.split()
        numeric = extents and all(extent.isdecimal() for extent in extents)
        return " ".join([kind, *(str(_divided(int(extent), divisor)) for extent in extents)]) if numeric else value
    if isinstance(value, list):
        return [_divided(number, divisor) for number in value]
    if isinstance(value, np.ndarray) and value.dtype == np.int64:
        return np.array(_divided(value.tolist(), divisor))
    return max(2, int(value / divisor)) if isinstance(value, int) and value > 16 else value


def costly_nodes() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield models of one costly node that the guard knows: a name and the model."""
    for number, (op_type, inputs, outputs, domain, attributes) in enumerate(_rows()):
        yield f"{op_type}-{number}", node_model(op_type, inputs, outputs, domain, **attributes)


def unpredictable_nodes() -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield models of one node whose cost cannot be predicted: a name and the model."""
    for op_type in _UNPREDICTABLE:
        yield op_type, node_model(op_type, ["f 4 4"], 1, "")
    measured = [
        helper.make_node("Shape", ["pixels"], ["extents"]),
        helper.make_node("Cast", ["pixels"], ["bytes"], to=TensorProto.INT64),
        helper.make_node("ReduceMax", ["bytes"], ["size"], keepdims=0),
    ]
    one = numpy_helper.from_array(np.array(1), "one")
    for name, node in {
        "ConstantOfShape-of-data": helper.make_node("ConstantOfShape", ["sizes"], ["out"]),
        "Expand-to-data": helper.make_node("Expand", ["one", "sizes"], ["out"]),
        "Reshape-to-data": helper.make_node("Reshape", ["bytes", "sizes"], ["out"]),
        "Range-to-data": helper.make_node("Range", ["one", "size", "one"], ["out"]),
        "Tile-by-data": helper.make_node("Tile", ["bytes", "sizes"], ["out"]),
    }.items():
        sizes = helper.make_node("Reshape", ["size", "minus"], ["sizes"])
        minus = numpy_helper.from_array(np.array([-1]), "minus")
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 8, 8, 3])
        output = onnx.ValueInfoProto(name="out")
        graph = helper.make_graph([*measured, sizes, node], "data", [pixels], [output], [one, minus])
        yield name, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def without_weights(path: Path) -> bytes:
    """Read a template, which is a network without weights: a model with zeros of the same shapes in their place."""
    model = onnx.load_from_string(zlib.decompress(path.read_bytes()))
    for tensor in model.graph.initializer:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        if np.prod(tensor.dims) > 2**12:
            zeros = helper.make_node("ConstantOfShape", [f"{tensor.name}.shape"], [tensor.name])
            shape = numpy_helper.from_array(np.array(tensor.dims), f"{tensor.name}.shape")
            model.graph.node.insert(0, zeros)
            tensor.CopyFrom(shape)
        elif not tensor.raw_data:
            tensor.raw_data = np.zeros(tuple(tensor.dims), dtype).tobytes()
    data: bytes = model.SerializeToString()
    return data
