"""Mutated model files: bytes that flip, and graphs whose sizes, names, types and attributes are exchanged."""

import random
from collections.abc import Iterator
from contextlib import suppress

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto

from edgekit.artifact.guard.operators import OPERATORS

_EXTENTS = (-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 16, 1000, 2**20, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
_MAX_BYTES = 200_000


def mutants(originals: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield mutated models, each of a random original."""
    chance = random.Random(seed)
    for _ in range(count):
        data = chance.choice(originals)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data = _mutated_bytes(data, chance) if chance.random() < 0.3 else _mutated_graph(data, chance)
        yield data


def _mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 9))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _mutated_graph(data: bytes, chance: random.Random) -> bytes:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return data
    if model.graph.node:
        with suppress(UnicodeDecodeError):  # of names that bytes were changed in
            chance.choice(_MUTATIONS)(model.graph, chance.choice(model.graph.node), chance)
    changed = model.SerializeToString()
    return changed if 0 < len(changed) < _MAX_BYTES else data


def _exchange_input(graph: onnx.GraphProto, node: NodeProto, chance: random.Random) -> None:
    """Cycles, missing inputs, and shapes that do not fit."""
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    names += [tensor.name for tensor in graph.initializer] + ["", "absent"]
    if node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice(names)


def _exchange_operator(graph: onnx.GraphProto, node: NodeProto, chance: random.Random) -> None:
    name = chance.choice([*OPERATORS, "NoSuchOperator"])
    node.domain, _, node.op_type = name.rpartition(".")


def _change_attribute(_: onnx.GraphProto, node: NodeProto, chance: random.Random) -> None:
    names = ["axis", "axes", "kernel_shape", "strides", "pads", "dilations", "group", "perm", "to", "keepdims", "shape"]
    names += ["auto_pad", "equation", "num_heads", "blocksize", "scales", "size", "value", "ceil_mode", "output_shape"]
    if node.attribute and chance.random() < 0.6:
        attribute = chance.choice(node.attribute)
    else:
        attribute = node.attribute.add(name=chance.choice(names))
    kind = chance.choice(("i", "ints", "f", "floats", "s", "absent"))
    name = attribute.name
    attribute.Clear()
    attribute.name = name
    numbers = [chance.choice(_EXTENTS) for _ in range(chance.choice((0, 1, 2, 4, 70)))]
    if kind == "i":
        attribute.type, attribute.i = AttributeProto.INT, chance.choice(_EXTENTS)
    elif kind == "ints":
        attribute.type = AttributeProto.INTS
        attribute.ints.extend(numbers)
    elif kind == "f":
        attribute.type, attribute.f = AttributeProto.FLOAT, chance.choice((float("nan"), float("inf"), -1.0, 1e30))
    elif kind == "floats":
        attribute.type = AttributeProto.FLOATS
        attribute.floats.extend(map(float, numbers))
    elif kind == "s":
        attribute.type, attribute.s = AttributeProto.STRING, chance.choice((b"SAME_UPPER", b"\xff", b"ii->...", b"ab,"))


def _change_constant(graph: onnx.GraphProto, _: NodeProto, chance: random.Random) -> None:
    """Sizes that are negative or huge."""
    tensors = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT64]
    if tensors:
        tensor, values = chance.choice(tensors), [chance.choice(_EXTENTS) for _ in range(chance.choice((1, 2, 4)))]
        tensor.CopyFrom(onnx.helper.make_tensor(tensor.name, onnx.TensorProto.INT64, [len(values)], values))


def _change_input_shape(graph: onnx.GraphProto, _: NodeProto, chance: random.Random) -> None:
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        for dimension in dimensions:
            if chance.random() < 0.4:
                dimension.dim_value = chance.choice(_EXTENTS)
        if chance.random() < 0.2:
            dimensions.add().dim_param = "x"


def _exchange_nodes(graph: onnx.GraphProto, node: NodeProto, chance: random.Random) -> None:
    """A wrong order, a node twice, or one that is missing."""
    kind = chance.randrange(3)
    if kind == 0:
        graph.node.insert(chance.randrange(len(graph.node)), node)
    elif kind == 1:
        graph.node.remove(node)
    else:
        other = chance.choice(graph.node)
        node.output[:], other.output[:] = list(other.output), list(node.output)


_MUTATIONS = (
    *(_exchange_input, _exchange_operator, _change_attribute, _change_attribute),
    *(_change_constant, _change_input_shape, _exchange_nodes),
)
