"""A tiny model with known predictions, and malicious models. Built with the onnx package for tests only."""

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.artifact.protobuf import delimited, integer
from edgekit.preprocess.crops import Size
from edgekit.preprocess.spec import Preprocess

CROP = Size(8, 10)
LABELS = ("red", "green", "blue", "black")
WEIGHT = np.random.default_rng(5).normal(0, 0.1, (CROP.height * CROP.width * 3, len(LABELS))).astype(np.float32)
MEAN, STD = 0.25, 0.5


def tiny_info(**changes: object) -> ArtifactInfo:
    """Return the metadata of the tiny model, with some entries changed."""
    preprocess = Preprocess(resize=12, crop=CROP, mean=(MEAN,), std=(STD,))
    info = ArtifactInfo(model="tiny", labels=LABELS, preprocess=preprocess, license="CC0-1.0")
    return dataclasses.replace(info, **changes)


def tiny_logits(pixels: np.ndarray) -> np.ndarray:
    """Compute with numpy the logits that the tiny model must return for uint8 pixels (N, height, width, 3)."""
    normalized = (pixels.astype(np.float64) / 255 - MEAN) / STD
    return normalized.reshape(len(pixels), -1) @ WEIGHT.astype(np.float64)


def tiny_model(*, crop: Size = CROP, before: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    """Build raw pixels -> Cast -> normalize -> Flatten -> MatMul -> logits. before: unconnected nodes in front."""
    constants = {"scale": np.float32(1 / 255 / STD), "shift": np.float32(MEAN / STD), "weight": WEIGHT}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "shift"], ["normalized"]),
        helper.make_node("Flatten", ["normalized"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    graph = helper.make_graph(
        [*(before or []), *nodes],
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", *crop, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def exp_model() -> onnx.ModelProto:
    """Build x (n) -> z, the mean of exp(exp(exp(exp(x)))), which takes two or three times the memory of x."""
    names = ["x", "a", "b", "c", "d"]
    nodes = [helper.make_node("Exp", [before], [after]) for before, after in pairwise(names)]
    nodes.append(helper.make_node("ReduceMean", ["d"], ["z"], keepdims=0))
    ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)] for n, shape in (("x", ["n"]), ("z", []))]
    graph = helper.make_graph(nodes, "exp", *ends)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def featured_model() -> onnx.ModelProto:
    """Build the tiny model with a second output: the input of its last layer, the normalized pixels."""
    model, count = tiny_model(), CROP.height * CROP.width * 3
    model.graph.node.append(helper.make_node("Identity", ["flat"], ["features"]))
    model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", count]))
    return model


def model_with_maps() -> onnx.ModelProto:
    """Build the tiny model with another output, the contribution of each pixel to each class."""
    model = tiny_model()
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(0, 1, (3, 4)).astype(np.float32), "each")
    model.graph.initializer.append(weight)
    model.graph.node.append(helper.make_node("MatMul", ["normalized", "each"], ["last"]))
    model.graph.node.append(helper.make_node("Transpose", ["last"], ["maps"], perm=[0, 3, 1, 2]))
    model.graph.output.append(helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["batch", 4, 8, 10]))
    return model


def write_tiny(path: Path, model: onnx.ModelProto | None = None, **changes: object) -> Path:
    """Write the model, by default the tiny one, with (changed) metadata to `path`."""
    write_info((model or tiny_model()).SerializeToString(), tiny_info(**changes), path)
    return path


def _constant(name: str, values: object, dtype: type = np.int64) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values, dtype), name))


def _subgraph() -> onnx.GraphProto:
    output = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])
    return helper.make_graph([helper.make_node("Constant", [], ["inner"], value_floats=[1.0])], "body", [], [output])


def _added_to_graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Build the tiny model with unused nodes, which ONNX Runtime still computes when it folds constants."""
    model = tiny_model(before=list(nodes))
    for node in nodes:
        if node.op_type != "Constant":
            model.graph.output.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None))
    return model


def _chained_functions(count: int) -> onnx.ModelProto:
    model = tiny_model()
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("chain", 1)]
    for index in range(count):
        last = index + 1 == count
        node = (
            helper.make_node("Identity", ["x"], ["y"])
            if last
            else helper.make_node(f"f{index + 1}", ["x"], ["y"], domain="chain")
        )
        model.functions.append(helper.make_function("chain", f"f{index}", ["x"], ["y"], [node], imports))
    model.opset_import.append(helper.make_opsetid("chain", 1))
    model.graph.node.insert(4, helper.make_node("f0", ["flat"], ["called"], domain="chain"))
    model.graph.node[5].input[0] = "called"
    return model


def _external(tensor: onnx.TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def _external_initializer() -> onnx.ModelProto:
    model = tiny_model()
    _external(model.graph.initializer[2], "../../../../../../../../etc/passwd")
    return model


def _external_without_flag() -> onnx.ModelProto:
    model = tiny_model()
    model.graph.initializer[2].external_data.add(key="location", value="weights.bin")
    return model


def _external_constant() -> onnx.ModelProto:
    node = _constant("secret", [1.0] * 100, np.float32)
    _external(node.attribute[0].t, "/etc/passwd")
    return tiny_model(before=[node])


def _sparse() -> onnx.ModelProto:
    model = tiny_model()
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**31]))
    return model


def _declared(dims: list[int]) -> onnx.ModelProto:
    model = tiny_model()
    del model.graph.initializer[2].dims[:]
    model.graph.initializer[2].dims.extend(dims)
    return model


def _training() -> onnx.ModelProto:
    model = tiny_model()
    model.training_info.add().algorithm.CopyFrom(_subgraph())
    return model


def _duplicate_constant() -> onnx.ModelProto:
    model = tiny_model()
    model.graph.initializer.append(model.graph.initializer[0])
    return model


def _mixed_fields() -> onnx.ModelProto:
    """Build a shape [100000, 100000] that also has a float 0: whoever multiplies all the values gets 0."""
    tensor = helper.make_tensor("shape", TensorProto.INT64, [2], [100_000, 100_000])
    tensor.float_data.append(0.0)
    return _added_to_graph(
        helper.make_node("Constant", [], ["shape"], value=tensor), helper.make_node("ConstantOfShape", ["shape"], ["z"])
    )


def refused_models() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield models that must be refused before they are loaded: a name, the model, and words of the reason."""
    loop = helper.make_node("Loop", ["", "", "flat"], ["z"], body=_subgraph())
    branch = helper.make_node("If", ["flat"], ["z"], then_branch=_subgraph(), else_branch=_subgraph())
    yield "loop", tiny_model(before=[loop]), "control flow"
    yield "if", tiny_model(before=[branch]), "control flow"
    yield "graph-attribute", tiny_model(before=[helper.make_node("Abs", ["flat"], ["z"], g=_subgraph())]), "control"
    yield "functions-3000", _chained_functions(3000), "functions"
    yield "function-1", _chained_functions(1), "functions"
    yield "external-initializer", _external_initializer(), "another file"
    yield "external-without-flag", _external_without_flag(), "another file"
    yield "external-constant", _external_constant(), "another file"
    yield "sparse-2-billion", _sparse(), "sparse"
    yield "training", _training(), "training"
    yield "foreign-domain", tiny_model(before=[helper.make_node("Run", ["flat"], ["z"], domain="evil")]), "domain"
    yield "reads-files", tiny_model(before=[helper.make_node("EPContext", [], ["z"], domain="com.microsoft")]), "files"
    yield "declared-huge", _declared([2**40]), "elements"
    yield "declared-more-than-stored", _declared([1000, 1000]), "stores"
    yield "declared-less-than-stored", _declared([2, 2]), "stores"
    yield "declared-negative", _declared([-1, 4]), "shape"
    yield "duplicate-constant", _duplicate_constant(), "duplicate constant"
    yield "mixed-fields", _mixed_fields(), "another type"
    shape = _constant("shape", [2**29])
    yield (
        "constant-of-shape-2GB",
        _added_to_graph(shape, helper.make_node("ConstantOfShape", ["shape"], ["z"])),
        "generates more",
    )
    many = [helper.make_node("ConstantOfShape", ["shape"], [f"z{i}"]) for i in range(40)]
    yield "constant-of-shape-40-times", _added_to_graph(_constant("shape", [2**20]), *many), "generates more"
    half, product = _constant("half", [2**14]), helper.make_node("Mul", ["half", "half"], ["shape"])
    computed = helper.make_node("ConstantOfShape", ["shape"], ["z"])
    yield "constant-of-computed-shape", _added_to_graph(half, product, computed), "operations, more than"
    overflow = helper.make_node("Mul", ["shape", "shape"], ["larger"])
    larger = helper.make_node("ConstantOfShape", ["larger"], ["z"])
    yield "constant-of-overflowing-shape", _added_to_graph(half, product, overflow, larger), "cannot be predicted"
    expand = helper.make_node("Expand", ["scale", "shape"], ["z"])
    yield "expand", _added_to_graph(_constant("shape", [2**15, 2**15]), expand), "generates more"
    yield "expand-65", _added_to_graph(_constant("shape", [2] * 65), expand), "sizes that"
    tile = helper.make_node("Tile", ["weight", "repeats"], ["z"])
    yield "tile", _added_to_graph(_constant("repeats", [2**20, 1]), tile), "expands"
    ends = [_constant("start", 0), _constant("limit", 2**40), _constant("delta", 1)]
    yield (
        "range",
        _added_to_graph(*ends, helper.make_node("Range", ["start", "limit", "delta"], ["z"])),
        "generates more",
    )
    random = helper.make_node("RandomUniform", [], ["z"], shape=[2**20, 2**12])
    yield "random", _added_to_graph(random), "generates more"
    pads = _constant("pads", [2**30, 0, 2**30, 0])
    yield "pad", _added_to_graph(pads, helper.make_node("Pad", ["weight", "pads"], ["z"])), "expands"
    scales = _constant("scales", [1.0, 1.0, 5000.0, 5000.0], np.float32)
    resize = helper.make_node("Resize", ["normalized", "", "scales"], ["z"])
    yield "resize", _added_to_graph(scales, resize), "expands"
    convolution = helper.make_node("ConvTranspose", ["normalized", "weight"], ["z"], strides=[2**20, 2**20])
    yield "strides", _added_to_graph(convolution), "expands"
    chain = [helper.make_node("Identity", [f"a{i}"], [f"a{i + 1}"]) for i in range(20_001)]
    yield from _divisions()
    yield "nodes-20006", tiny_model(before=chain), "nodes"
    random = helper.make_node("RandomUniform", [], ["z"], shape=[1] * 64 + [2**40])
    yield "random-65", _added_to_graph(random), "sizes"
    yield from _mistyped_attributes()


def _divisions() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield integer divisions: by 0, of the smallest integer by -1, by a computed value, by a type that is not read."""
    smallest, counted = _constant("a", [-(2**63)]), helper.make_node("Cast", ["pixels"], ["a"], to=TensorProto.INT64)
    copied = helper.make_node("Identity", ["b"], ["c"])
    for name, nodes in {
        "by-zero": [counted, _constant("b", [0])],
        "by-minus-one": [smallest, _constant("b", [-1])],
        "by-computed": [smallest, _constant("b", [-1]), copied],
        "by-data": [counted, helper.make_node("Neg", ["a"], ["b"])],
        "of-bytes": [_constant("a", [5], np.uint8), _constant("b", [0], np.uint8)],
    }.items():
        divisor = "c" if copied in nodes else "b"
        for kind in ("Div", "Mod"):
            divided = helper.make_node(kind, ["a", divisor], ["z"])
            yield f"{kind.lower()}-{name}", _added_to_graph(*nodes, divided), "divisor that may be 0"


def _mistyped_attributes() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield integer divisors of -1 that could pass for floats. ONNX Runtime goes by the declared attribute type."""
    kinds = onnx.AttributeProto
    ones = helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    for name, reason, attributes in (
        ("float-in-int", "another type", [kinds(name="value_int", type=kinds.INT, f=5.0)]),
        ("tensor-in-ints", "another type", [kinds(name="value_ints", type=kinds.INTS, ints=[-1], t=ones)]),
        ("int-beside-float", "another type", [kinds(name="value_int", i=-1, f=5.0)]),
        ("text-in-int", "another type", [kinds(name="value_int", type=kinds.INT, s=b"1")]),
        ("unknown-type", "another type", [kinds(name="value_int", type=kinds.GRAPH, i=1)]),
        ("no-tensor", "exactly one tensor", [kinds(name="value", type=kinds.TENSOR)]),
        ("no-value", "exactly one value", []),
        ("two-values", "exactly one value", [kinds(name="value_float", type=kinds.FLOAT, f=1.0), kinds(name="b", i=1)]),
        ("absent-int", "divisor that may be 0", [kinds(name="value_int", type=kinds.INT)]),
    ):
        constant = onnx.NodeProto(op_type="Constant", output=["b"], attribute=attributes)
        yield f"constant-{name}", divided_by("b", constant), reason
    two_outputs = helper.make_node("Constant", [], ["b", "c"], value_int=-1)
    yield "constant-two-outputs", divided_by("b", two_outputs), "one output"
    for name, attribute in (
        ("nan", kinds(name="to", type=kinds.FLOAT, f=np.nan)),
        ("infinite", kinds(name="to", type=kinds.FLOAT, f=np.inf)),
        ("list", kinds(name="to", type=kinds.INTS, ints=[1])),
    ):
        cast = onnx.NodeProto(op_type="Cast", input=["pixels"], output=["b"], attribute=[attribute])
        yield f"cast-to-{name}", divided_by("b", cast), "must be an integer"
    cast = helper.make_node("Cast", ["pixels"], ["b"], to=TensorProto.FLOAT)
    cast.attribute.add(name="to", type=kinds.INT, i=TensorProto.INT64)
    yield "cast-to-twice", divided_by("b", cast), "duplicate attribute"
    # An output without a name does not exist, and an input without a name is left out.
    unnamed, clip = helper.make_node("Sqrt", ["weight"], [""]), helper.make_node("Clip", ["a", "", ""], ["b"])
    yield "division-by-left-out", divided_by("b", unnamed, clip), "divisor that may be 0"


def divided_by(divisor: str, *before: onnx.NodeProto) -> onnx.ModelProto:
    """Build the tiny model with the smallest int64 divided by `divisor`, a value that the nodes before it define."""
    return _divided(divisor, *before, dtype=np.int64)


def _divided(divisor: str, *before: onnx.NodeProto, dtype: type) -> onnx.ModelProto:
    smallest, division = _constant("a", [np.iinfo(dtype).min], dtype), helper.make_node("Div", ["a", divisor], ["z"])
    model = _added_to_graph(smallest, *before, division)
    for output in model.graph.output[1:]:  # ONNX Runtime infers their types
        output.ClearField("type")
    return model


def refused_files() -> Iterator[tuple[str, bytes, str]]:
    """Yield files that no ModelProto can express: a name, the file, and words of the reason."""
    for name, attribute in {
        "i": integer(3, TensorProto.FLOAT) + integer(3, TensorProto.INT64) + integer(20, 2) + delimited(1, b"to"),
        "type": integer(3, TensorProto.FLOAT) + integer(20, 1) + integer(20, 2) + delimited(1, b"to"),
        "name": integer(3, TensorProto.FLOAT) + integer(20, 2) + delimited(1, b"to") + delimited(1, b"saturate"),
    }.items():
        cast = helper.make_node("Cast", ["a"], ["b"]).SerializeToString() + delimited(5, attribute)
        yield f"attribute-{name}-twice", _in_graph(divided_by("b"), delimited(1, cast)), f"duplicate field {name}"
    for name, field in {"op_type": delimited(4, b"Neg"), "domain": delimited(7, b"") * 2}.items():
        node = helper.make_node("Sqrt", ["weight"], ["y"]).SerializeToString() + field
        yield f"node-{name}-twice", _in_graph(tiny_model(), delimited(1, node)), f"duplicate field {name}"
    for name, field in {
        "data_type": integer(2, TensorProto.INT64),
        "name": delimited(8, b"b"),
        "raw_data": delimited(9, b"\xff" * 8),
        "data_location": integer(14, 0) * 2,
    }.items():
        tensor = numpy_helper.from_array(np.array([1]), "b").SerializeToString() + field
        yield f"tensor-{name}-twice", _in_graph(divided_by("b"), delimited(5, tensor)), f"duplicate field {name}"
    # protobuf reads an int32 of 2**32 - 1 as -1.
    wide = _divided("b", dtype=np.int32)
    head = integer(1, 1) + integer(2, TensorProto.INT32) + delimited(8, b"b")
    for name, value in {
        "one": integer(5, 2**32 - 1),
        "packed": delimited(5, integer(0, 2**32 - 1)[1:]),
        "zero": integer(5, 2**32),
    }.items():
        yield f"int32-of-33-bits-{name}", _in_graph(wide, delimited(5, head + value)), "divisor that may be 0"
    # Two names that differ in a byte that is not UTF-8: one is a float, the other -1.
    root = helper.make_node("Sqrt", ["weight"], ["AaA"]).SerializeToString().replace(b"AaA", b"A\xffA")
    minus = numpy_helper.from_array(np.array([-1]), "AaA").SerializeToString().replace(b"AaA", b"A\xfeA")
    data = _in_graph(divided_by("AaA"), delimited(1, root) + delimited(5, minus))
    yield "names-not-utf-8", data.replace(b"AaA", b"A\xfeA"), "divisor that may be 0"


def _in_graph(model: onnx.ModelProto, fields: bytes) -> bytes:
    """Serialize the model with extra fields at the start of its graph."""
    without_graph = onnx.ModelProto()
    without_graph.CopyFrom(model)
    without_graph.ClearField("graph")
    return delimited(7, fields + model.graph.SerializeToString()) + without_graph.SerializeToString()


def inconsistent_models() -> Iterator[tuple[str, onnx.ModelProto, dict[str, object]]]:
    """Yield models that fail to load or contradict their metadata: a name, the model, changed metadata."""
    yield "labels-too-few", tiny_model(), {"labels": ("one", "two")}
    yield "labels-too-many", tiny_model(), {"labels": tuple(map(str, range(1000)))}
    yield "other-crop", tiny_model(crop=Size(9, 9)), {}
    floats = tiny_model()
    floats.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    yield "input-float", floats, {}
    fixed = tiny_model()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1000
    yield "batch-1000", fixed, {}
    renamed = tiny_model()
    renamed.graph.output[0].name = renamed.graph.node[-1].output[0] = "predictions"
    yield "output-renamed", renamed, {}
    unknown = tiny_model()
    unknown.graph.node[0].op_type = "NoSuchOperator"
    yield "unknown-operator", unknown, {}
    nan = tiny_model()
    nan.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(np.nan, np.float32), "scale"))
    yield "logits-nan", nan, {}
    transposed = tiny_model()  # declares (batch, 4) but returns (4, batch), which ONNX Runtime accepts
    transposed.graph.node[-1].output[0] = "before"
    transposed.graph.node.append(helper.make_node("Transpose", ["before"], ["logits"], perm=[1, 0]))
    yield "logits-transposed", transposed, {}
    failing = tiny_model()
    failing.graph.node[-1].output[0] = "before"
    failing.graph.initializer.append(numpy_helper.from_array(np.array([5]), "wrong"))
    failing.graph.node.append(helper.make_node("Gather", ["before", "wrong"], ["logits"]))
    yield "fails-when-run", failing, {}


def runaway_models() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """Yield models that exceed limits only when they run: a name, the model, and words of the reason."""
    yield "doubled-19-times", _with_middle([helper.make_node("Concat", ["x", "x"], ["x"], axis=1)] * 19), "MB"
    products = [helper.make_node("MatMul", ["x", "weights"], ["x"])] * 2000
    weights = [_constant("shape", [2500, 2500]), helper.make_node("ConstantOfShape", ["shape"], ["weights"])]
    broadcast = [*weights, helper.make_node("Add", ["x", "weights"], ["x"])]
    small = helper.make_node("ReduceMean", ["x"], ["x"], keepdims=0)
    yield "2000-products", _with_middle([small, *broadcast, *products]), "took more than"
    constant = [*weights, helper.make_node("Identity", ["weights"], ["x"]), *products]
    yield "2000-products-of-constants", _with_middle(constant), "took more than"


def squaring_model() -> onnx.ModelProto:
    """Build the tiny model with an extra matrix product whose cost grows with the square of the batch."""
    turned = helper.make_node("Transpose", ["flat"], ["turned"])
    return _with_middle([turned, helper.make_node("MatMul", ["flat", "turned"], ["x"])])


def _with_middle(middle: list[onnx.NodeProto]) -> onnx.ModelProto:
    """Build the tiny model with the mean of an extra computation added to its logits.

    middle: nodes that compute from "x", the flat pixels. Every output "x" replaces the one before.
    """
    model = tiny_model()
    product = model.graph.node.pop()
    names = {"x": "flat"}
    for number, node in enumerate(middle):
        inputs = [names.get(name, name) for name in node.input]
        if node.output[0] == "x":
            names["x"] = f"x{number}"
        added = model.graph.node.add()
        added.CopyFrom(node)
        added.input[:] = inputs
        added.output[:] = [names.get(name, name) for name in node.output]
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", [names["x"]], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["flat", "weight"], ["product"]),
            helper.make_node("Add", ["product", "mean"], [product.output[0]]),
        ]
    )
    return model
