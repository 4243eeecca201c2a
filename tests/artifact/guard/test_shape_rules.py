"""Shapes that the guard computes are those that ONNX Runtime returns, for random nodes of every kind."""

import random

import numpy as np
import onnxruntime as ort
import pytest
from made_costs import node_model
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgekit.artifact.guard.scan import check_model
from edgekit.errors import ArtifactError

ROUNDS = 25


def runs(model: ModelProto) -> list[np.ndarray] | None:
    """Return the outputs of a model without inputs; None if onnxruntime rejects it."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        return ort.InferenceSession(model.SerializeToString(), options).run(None, {})
    except Exception:  # onnxruntime's exception classes are not public
        return None


def compare(model: ModelProto) -> bool:
    """Compare the shapes of all outputs, if onnxruntime runs the model. Returns whether it does."""
    outputs = runs(model)
    if outputs is None:
        return False
    shapes = check_model(model.SerializeToString(), name="model").check_costs()
    for value, output in zip(model.graph.output, outputs, strict=True):
        assert tuple(shapes[value.name]) == output.shape, model.graph.node[-1]
    return True


def tensor(chance: random.Random, rank: int, kind: str = "f") -> str:
    return " ".join([kind, *(str(chance.randint(1, 9)) for _ in range(rank))])


def window(chance: random.Random, rank: int) -> dict[str, object]:
    attributes: dict[str, object] = {}
    if chance.random() < 0.7:
        attributes["strides"] = [chance.randint(1, 4) for _ in range(rank)]
    if chance.random() < 0.3:
        attributes["dilations"] = [chance.randint(1, 2) for _ in range(rank)]
    padding = chance.choice(("pads", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", None))
    if padding == "pads":
        attributes["pads"] = [chance.randint(0, 2) for _ in range(2 * rank)]
    elif padding is not None:
        attributes["auto_pad"] = padding
    return attributes


def image(chance: random.Random, rank: int, channels: int = 4) -> str:
    return " ".join(["f 2", str(channels), *(str(chance.randint(6, 20)) for _ in range(rank))])


def pooling(chance: random.Random):
    rank, op_type = chance.randint(1, 3), chance.choice(("AveragePool", "MaxPool", "LpPool"))
    attributes = window(chance, rank) | {"kernel_shape": [chance.randint(1, 4) for _ in range(rank)]}
    if chance.random() < 0.5:
        attributes["ceil_mode"] = 1
    return op_type, [image(chance, rank)], 2 if op_type == "MaxPool" else 1, attributes


def convolution(chance: random.Random):
    rank, group = chance.randint(1, 3), chance.choice((1, 2, 4))
    kernel = " ".join(str(chance.randint(1, 4)) for _ in range(rank))
    return "Conv", [image(chance, rank), f"f 8 {4 // group} {kernel}"], 1, window(chance, rank) | {"group": group}


def transposed(chance: random.Random):
    rank, group = chance.randint(1, 2), chance.choice((1, 2))
    kernel = " ".join(str(chance.randint(1, 4)) for _ in range(rank))
    attributes = window(chance, rank) | {"group": group}
    if chance.random() < 0.3:
        attributes["output_padding"] = [chance.randint(0, 1) for _ in range(rank)]
    return "ConvTranspose", [image(chance, rank), f"f 4 3 {kernel}"], 1, attributes


def product(chance: random.Random):
    left, right = [chance.randint(1, 4) for _ in range(2)], chance.randint(1, 4)
    batches = chance.choice(((), (1,), (3,), (2, 1))), chance.choice(((), (3,), (1, 3)))
    shapes = [(*batches[0], *left), (*batches[1], left[1], right)]
    if chance.random() < 0.2:
        shapes[chance.randint(0, 1)] = (left[1],)
    return "MatMul", [" ".join(["f", *map(str, shape)]) for shape in shapes], 1, {}


def gemm(chance: random.Random):
    m, k, n, a, b = (*(chance.randint(1, 5) for _ in range(3)), chance.randint(0, 1), chance.randint(0, 1))
    left, right = (f"f {k} {m}" if a else f"f {m} {k}"), (f"f {n} {k}" if b else f"f {k} {n}")
    return "Gemm", [left, right], 1, {"transA": a, "transB": b}


def slicing(chance: random.Random):
    rank = chance.randint(1, 4)
    axes = chance.sample(range(-rank, 0), chance.randint(1, rank))
    extreme = (2**63 - 1, -(2**63) + 1, -(2**31), 2**31 - 1)
    numbers = [[chance.choice((chance.randint(-9, 9), chance.choice(extreme))) for _ in axes] for _ in range(2)]
    steps = [chance.choice((1, 2, 3, -1, -2)) for _ in axes]
    return "Slice", [tensor(chance, rank), *map(np.array, (*numbers, axes, steps))], 1, {}


def reduction(chance: random.Random):
    rank, op_type = chance.randint(1, 4), chance.choice(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"))
    axes = np.array(chance.sample(range(-rank, 0), chance.randint(0, rank)), np.int64)
    attributes = {"keepdims": chance.randint(0, 1), "noop_with_empty_axes": chance.randint(0, 1)}
    return op_type, [tensor(chance, rank), axes], 1, attributes


def moving(chance: random.Random):
    rank = chance.randint(2, 4)
    x, axis = tensor(chance, rank), chance.randint(-rank, rank - 1)
    order = chance.sample(range(rank), rank)
    return chance.choice(
        (
            ("Transpose", [x], 1, {"perm": order}),
            ("Transpose", [x], 1, {}),
            ("Flatten", [x], 1, {"axis": axis}),
            ("Concat", [x, x, x], 1, {"axis": axis}),
            ("Unsqueeze", [x, np.array([0, -1])], 1, {}),
            ("Squeeze", ["f 1 3 1 2"], 1, {}),
            ("Squeeze", ["f 1 3 1 2", np.array([-2])], 1, {}),
            ("Gather", [x, np.zeros((2, 3), np.int64)], 1, {"axis": axis}),
            ("GatherND", ["f 3 4 5", np.zeros((3, 2, 1), np.int64)], 1, {"batch_dims": chance.randint(0, 1)}),
            ("Split", ["f 3 7", np.array([2, 5])], 2, {"axis": 1}),
            ("Split", ["f 3 7"], 3, {"axis": -1, "num_outputs": 3}),
            ("Expand", ["f 3 1", np.array([2, 1, 4])], 1, {}),
            ("Tile", ["f 3 2", np.array([2, 3])], 1, {}),
            ("Pad", ["f 3 4", np.array([1, -1, 2, 0])], 1, {}),
            ("Pad", ["f 3 4 5", np.array([1, 2]), None, np.array([-2])], 1, {}),
            ("Reshape", ["f 3 4 5", np.array(chance.choice(([0, -1], [5, -1, 2], [60], [-1], [0, 0, 0])))], 1, {}),
            ("TopK", [x, np.array([1])], 2, {"axis": axis}),
            ("OneHot", ["q 3 4", np.array(5), np.zeros(2, np.float32)], 1, {"axis": chance.randint(-3, 2)}),
            ("DepthToSpace", ["f 1 8 3 4"], 1, {"blocksize": 2}),
            ("SpaceToDepth", ["f 1 2 4 6"], 1, {"blocksize": 2}),
            ("ArgMax", [x], 1, {"axis": axis, "keepdims": chance.randint(0, 1)}),
            ("Shape", [x], 1, {"start": chance.randint(-5, 5), "end": chance.randint(-5, 5)}),
            ("Size", [x], 1, {}),
            ("Dropout", [x], 2, {}),
            ("DynamicQuantizeLinear", [x], 3, {}),
            ("Where", ["? 3 1", "f 4", "f 2 1 1"], 1, {}),
            ("Max", ["f 3 1", "f 4", "f 2 1 1"], 1, {}),
            ("Range", [np.array(9), np.array(chance.randint(-9, 9)), np.array(chance.choice((-2, 3)))], 1, {}),
            ("Einsum", ["f 3 4", "f 4 5"], 1, {"equation": chance.choice(("ij,jk->ki", "ab, bc", "ij,jk->"))}),
            ("LSTM", ["f 5 2 3", "f 1 16 3", "f 1 16 4"], 3, {"hidden_size": 4}),
            ("GRU", ["f 5 2 3", "f 2 12 3", "f 2 12 4"], 2, {"hidden_size": 4, "direction": "bidirectional"}),
            ("Multinomial", ["f 3 4"], 1, {"sample_size": 5}),
            ("RandomNormal", [], 1, {"shape": [2, 3]}),
            ("GlobalAveragePool", ["f 2 3 4 5"], 1, {}),
        )
    )


def resizing(chance: random.Random):
    x = "f 1 2 " + " ".join(str(chance.randint(1, 300)) for _ in range(2))
    if chance.random() < 0.3:
        return "Resize", [x, None, None, np.array([1, 2, 7, 9])], 1, {}
    scales = np.array([1, 1, *(chance.uniform(0.1, 4) for _ in range(2))], np.float32)
    if chance.random() < 0.4:
        return "Resize", [x, None, scales[2:]], 1, {"axes": [2, 3]}
    return "Resize", [x, None, scales], 1, {"mode": chance.choice(("linear", "cubic", "nearest"))}


@pytest.mark.parametrize(
    "kind",
    [pooling, convolution, transposed, product, gemm, slicing, reduction, moving, resizing],
    ids=lambda kind: kind.__name__,
)
def test_shapes_equal_those_of_onnxruntime(kind):
    chance = random.Random(kind.__name__)
    ran = 0
    for _ in range(ROUNDS * (8 if kind is moving else 1)):
        op_type, inputs, outputs, attributes = kind(chance)
        ran += compare(node_model(op_type, inputs, outputs, "", **attributes))
    assert ran >= ROUNDS / 3


def _constant(name: str, values: object, dtype: type = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype), name)


ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Equal", "Less", "Greater", "LessOrEqual")


def test_values_of_sizes_equal_those_of_onnxruntime():
    """Each result is the shape of a tensor, so it shows in the shape of a ConstantOfShape."""
    chance = random.Random(7)
    known = 0
    for _ in range(120):
        a, b = ([chance.randint(1, 9) for _ in range(3)] for _ in range(2))
        nodes = []
        operation = chance.choice((*ARITHMETIC, "Where", "Concat", "Gather", "Slice", "Neg", "Not", "Transpose"))
        operation = chance.choice((operation, "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin", "Range", "Expand"))
        if operation in ARITHMETIC:
            nodes.append(helper.make_node(operation, ["a", chance.choice(("b", "one"))], ["x"]))
        elif operation == "Where":
            nodes += [helper.make_node("Less", ["a", "b"], ["c"]), helper.make_node("Where", ["c", "a", "b"], ["x"])]
        elif operation == "Concat":
            nodes.append(helper.make_node("Concat", ["a", "b"], ["x"], axis=0))
        elif operation == "Gather":
            nodes.append(helper.make_node("Gather", ["a", "index"], ["x"], axis=0))
        elif operation == "Slice":
            nodes.append(helper.make_node("Slice", ["a", "last", "first", "zero", "back"], ["x"]))
        elif operation in ("Neg", "Not"):
            nodes += [helper.make_node("Cast", ["a"], ["c"], to=7 if operation == "Neg" else 9)]
            nodes += [helper.make_node(operation, ["c"], ["x"])]
        elif operation == "Transpose":
            nodes += [helper.make_node("Concat", ["a", "b"], ["c"], axis=0)]
            nodes += [helper.make_node("Reshape", ["c", "square"], ["d"]), helper.make_node("Transpose", ["d"], ["x"])]
        elif operation == "Range":
            nodes += [helper.make_node("Squeeze", ["one"], ["o"]), helper.make_node("Squeeze", ["four"], ["f"])]
            nodes.append(helper.make_node("Range", ["o", "f", "o"], ["x"]))
        elif operation == "Expand":
            nodes.append(helper.make_node("Expand", ["one", "four"], ["x"]))
        else:
            nodes.append(helper.make_node(operation, ["a"], ["x"], keepdims=chance.randint(0, 1)))
        nodes.append(helper.make_node("Cast", ["x"], ["n"], to=7))
        nodes += [helper.make_node("Abs", ["n"], ["p"]), helper.make_node("Reshape", ["p", "flat"], ["s"])]
        nodes.append(helper.make_node("ConstantOfShape", ["s"], ["out"]))
        constants = {"a": a, "b": b, "one": [1], "four": [4], "index": [2, -1], "last": [-1], "first": [-(2**63) + 1]}
        constants |= {"zero": [0], "back": [-1], "square": [2, 3], "flat": [-1]}
        graph = helper.make_graph(
            nodes,
            "values",
            [],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
            [_constant(name, values) for name, values in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        known += compare(model)
    assert known > 60


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [
        ("Conv", ["f 1 4 8 8"], {}),
        ("Conv", ["f 1 4 8 8", "f 4 4 3 3"], {"group": -8}),
        ("Conv", ["f 1 4 8 8", "f 4 4 3 3"], {"strides": [0, 0]}),
        ("Conv", ["f 8", "f 4 4 3 3"], {}),
        ("MaxPool", ["f 1 4 8 8"], {}),
        ("MaxPool", ["f 1 4 8 8"], {"kernel_shape": [-3, -3]}),
        ("MaxPool", ["f 1 4 8 8"], {"kernel_shape": 3}),
        ("MaxPool", ["f 1 4 8 8"], {"kernel_shape": "3"}),
        ("MaxPool", ["f 1 4 8 8"], {"kernel_shape": [2.0, 2.0]}),
        ("Transpose", ["f 2 3"], {"perm": [0, 0]}),
        ("Transpose", ["f 2 3"], {"perm": [0, 7]}),
        ("Squeeze", ["f 2 3", np.array([0])], {}),
        ("Unsqueeze", ["f 2 3", np.array([9])], {}),
        ("Concat", ["f 2", "f 2"], {"axis": 5}),
        ("Reshape", ["f 2 3", np.array([-5, 2])], {}),
        ("Tile", ["f 2 3", np.array([2])], {}),
        ("Gather", ["f 2 3", np.array(0)], {"axis": -7}),
        ("DepthToSpace", ["f 1 4 2 2"], {"blocksize": 0}),
        ("Einsum", ["f 2 3", "f 3 4"], {"equation": "ij"}),
        ("Range", [np.array(0), np.array(5), np.array(0)], {}),
        ("Resize", ["f 1 1 4 4"], {}),
        ("Expand", ["f 2", np.array([1] * 20)], {}),
        ("Expand", ["f 0 1", np.array([1, 2**20])], {}),
        ("Cast", ["f 4"], {"to": TensorProto.STRING}),
        ("Identity", [np.array(["text"], object)], {}),
        ("Attention", ["f 1 4 6", "f 1 4 6", "f 1 4 6"], {"kv_num_heads": 0, "q_num_heads": -1}),
        ("Slice", ["f 2 3", np.array([0]), np.array([1]), np.array([0]), np.array([0])], {}),
    ],
)
def test_guard_refuses_nodes_that_cannot_run(op_type, inputs, attributes):
    model = node_model(op_type, inputs, 1, "", **attributes).SerializeToString()
    with pytest.raises(ArtifactError, match=r"do not fit together|cannot be predicted|another type|sizes that"):
        check_model(model, name="model")
