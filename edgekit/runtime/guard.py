"""Look through a model's bytes before onnxruntime sees them, and refuse what no classifier needs.

A model file is a program. What it could do by being loaded or run (read files that it names, loop for ever, call
functions three thousand deep, fill the memory from a few bytes) shows on the protobuf wire, so it is read there,
message by message, without the onnx package and without copying a weight. Sizes that a graph computes only when it
runs are beyond such a look.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from edgekit.artifact import is_ort_format
from edgekit.errors import ArtifactError
from edgekit.runtime.floats import DIVISIONS, KnownFloats
from edgekit.wire import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT, fields, signed, varints

# What is read of each message: the field numbers of onnx.proto (ONNX 1.23).
_MODEL = {7: "graph", 20: "training_info", 25: "functions"}
_GRAPH = {1: "node", 5: "initializer", 15: "sparse"}
_NODE = {1: "input", 2: "output", 4: "op_type", 5: "attribute", 7: "domain"}
_ATTRIBUTE = {
    1: "name",
    2: "f",
    3: "i",
    5: "tensor",
    6: "graph",
    7: "floats",
    8: "ints",
    10: "tensor",
    11: "graph",
    22: "sparse",
    23: "sparse",
}
_TENSOR = {
    1: "dims",
    2: "data_type",
    4: "float_data",
    5: "int32_data",
    6: "string_data",
    7: "int64_data",
    8: "name",
    9: "raw_data",
    10: "double_data",
    11: "uint64_data",
    13: "external_data",
    14: "data_location",
}
# A field of another wire type is skipped by protobuf, so it would mean one thing here and another there.
_INTEGERS, _INTEGER = (VARINT, LENGTH_DELIMITED), (VARINT,)
_WIRE_TYPES = {
    **dict.fromkeys(("dims", "ints", "int32_data", "int64_data", "uint64_data"), _INTEGERS),
    **dict.fromkeys(("i", "data_type", "data_location"), _INTEGER),
    **dict.fromkeys(("floats", "float_data"), (FIXED32, LENGTH_DELIMITED)),
    "f": (FIXED32,),
    "double_data": (FIXED64, LENGTH_DELIMITED),
}

# By TensorProto.DataType: bits of one element, the field that holds it where there are no raw bytes, and struct's
# letter for the types in which sizes are written.
_FLOAT, _STRING = 1, 8
_BITS = {
    **dict.fromkeys((25, 26), 2),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),  # (u)int8, bool, the 8-bit floats
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((7, 11, 13, 14), 64),
    15: 128,
}
_TYPED_FIELDS = {
    **dict.fromkeys(_BITS, "int32_data"),
    1: "float_data",
    14: "float_data",
    11: "double_data",
    15: "double_data",
    7: "int64_data",
    12: "uint64_data",
    13: "uint64_data",
    _STRING: "string_data",
}
_LETTERS = {1: "f", 6: "i", 7: "q", 11: "d"}
_MAX_VALUE_BYTES = 16  # of one element in a typed field; a varint has up to 10
_MAX_SIZES = 64  # constants of at most so many elements are kept: those are sizes, not weights

_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_FILE_READERS = frozenset({"EPContext"})  # names a file that an accelerator's provider opens
# Operators that make much out of little, and which of their inputs say how much: a shape, or factors.
_SHAPES = {"ConstantOfShape": 0, "Expand": 1, "Resize": 3}
_FACTORS = {"Tile": (1,), "Resize": (1, 2), "Upsample": (1,), "OneHot": (1,)}
_FROM_NOTHING = frozenset({"ConstantOfShape", "Range"})
# What takes a size that a tensor really has and answers no larger one.
_MEASURING = frozenset({"Squeeze", "Unsqueeze", "Gather", "Slice", "Cast", "Identity"})
_GROWING = _FROM_NOTHING | {"Pad", *_SHAPES, *_FACTORS}
_SHAPE_ATTRIBUTES = frozenset({"shape", "output_shape"})
_STEP_ATTRIBUTES = frozenset({"pads", "kernel_shape", "strides", "dilations", "output_padding", "scales", "repeats"})

_Numbers: TypeAlias = Sequence[float]
_Part: TypeAlias = tuple[str, memoryview, int | None]


class _Constant(NamedTuple):
    """A value that is written in the file: its name, its type and, where they are few, its numbers."""

    name: str
    data_type: int
    numbers: _Numbers | None


class _Node(NamedTuple):
    op_type: str
    inputs: list[str]
    outputs: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What a model may be before it is refused.

    max_bytes: of the file. max_nodes: of its graph. max_parts: fields that the look goes through, which bounds its
    time. max_elements: of one stored tensor. max_made: elements that nodes make from sizes written in the file, all
    together. max_factor: by which one node repeats, enlarges or pads.
    """

    max_bytes: int = 2**30
    max_nodes: int = 20_000
    max_parts: int = 1_000_000
    max_elements: int = 2**28
    max_made: int = 2**25
    max_factor: int = 2**10


DEFAULT_MODEL_LIMITS = ModelLimits()


def check_model(model: bytes, *, name: str, limits: ModelLimits = DEFAULT_MODEL_LIMITS) -> None:
    """Raises ArtifactError, with the reason in one line, for a model called `name` that is refused."""
    try:
        if len(model) > limits.max_bytes:
            raise ArtifactError(f"{len(model)} bytes, more than the limit of {limits.max_bytes}")
        if is_ort_format(model):
            raise ArtifactError("onnxruntime's own format cannot be looked through; give the .onnx file")
        _Scan(limits).file(memoryview(model))
    except ArtifactError as error:
        raise ArtifactError(f"{name}: refused: {error}") from None


class _Scan:
    """One look through one file.

    constants: the small numeric ones by name, None for the others. measured: names of sizes that tensors really have.
    floats: names of the values that are no whole numbers.
    """

    def __init__(self, limits: ModelLimits) -> None:
        self._limits = limits
        self._parts_left = limits.max_parts
        self._made = 0.0
        self._constants: dict[str, _Numbers | None] = {}
        self._measured: set[str] = set()
        self._floats = KnownFloats()

    def file(self, message: memoryview) -> None:
        graphs = []
        for part, payload, _ in self._parts(message, _MODEL):
            if part == "functions":
                raise ArtifactError("it brings functions of its own; export it with its functions inlined")
            if part == "training_info":
                raise ArtifactError("it holds a training program; export it for inference")
            graphs.append(payload)
        if len(graphs) != 1:
            raise ArtifactError(f"not a model: it holds {len(graphs)} graphs")
        self._graph(graphs[0])

    def _graph(self, message: memoryview) -> None:
        nodes: list[_Node] = []
        for part, payload, _ in self._parts(message, _GRAPH):
            if part == "sparse":
                raise ArtifactError("it holds sparse tensors, which fill the memory when they are unpacked")
            if part == "initializer":
                self._add_constant(self._tensor(payload))
                continue
            if len(nodes) == self._limits.max_nodes:
                raise ArtifactError(f"its graph has more than {self._limits.max_nodes} nodes")
            nodes.append(self._node(payload))
        for node in nodes:  # now that all constants are known; in topological order, as ONNX demands
            self._check_growth(node.op_type, node.inputs)
            self._check_division(node)
            self._floats.pass_node(*node)
            if node.op_type == "Shape" or (node.op_type in _MEASURING and node.inputs[:1] and self._measures(node)):
                self._measured.update(node.outputs)

    def _measures(self, node: _Node) -> bool:
        return node.inputs[0] in self._measured

    def _node(self, message: memoryview) -> _Node:
        texts = {"op_type": "", "domain": ""}
        names: dict[str, list[str]] = {"input": [], "output": []}
        attributes = []
        for part, payload, _ in self._parts(message, _NODE):
            if part in names:
                names[part].append(_text(payload))
            elif part == "attribute":
                attributes.append(payload)
            else:
                texts[part] = _text(payload)
        node = _Node(texts["op_type"], names["input"], names["output"])
        _check_operator(node.op_type, texts["domain"])
        for attribute in attributes:
            held = self._attribute(attribute, node.op_type)
            if node.op_type == "Constant":
                self._add_constant(held._replace(name=node.outputs[-1] if node.outputs else ""))
            elif node.op_type == "Cast" and held.name == "to":
                self._floats.add(node.outputs[0] if node.outputs else "", int(next(iter(held.numbers or ()), 0)))
        return node

    def _add_constant(self, constant: _Constant) -> None:
        if constant.name in self._constants:
            raise ArtifactError(f"its constant {constant.name!r:.60} stands twice")
        self._constants[constant.name] = constant.numbers
        self._floats.add(constant.name, constant.data_type)

    def _attribute(self, message: memoryview, op_type: str) -> _Constant:
        """The attribute's name, and what it holds: a tensor, or numbers of its own."""
        name, pieces, tensors = "", [], []
        for part, payload, value in self._parts(message, _ATTRIBUTE):
            if part == "graph":
                raise ArtifactError(f"its operator {op_type!r:.60} holds a graph of its own (control flow)")
            if part == "sparse":
                raise ArtifactError("it holds sparse tensors, which fill the memory when they are unpacked")
            if part == "name":
                name = _text(payload)
            elif part == "tensor":
                tensors.append(self._tensor(payload))
            else:
                pieces.append((part, payload, value))
        if len(tensors) > 1:
            raise ArtifactError(f"its operator {op_type!r:.60} holds one value twice")
        own = _FLOAT if pieces and all(part in ("f", "floats") for part, _, _ in pieces) else 0
        held = tensors[0]._replace(name=name) if tensors else _Constant(name, own, _numbers(pieces))
        self._check_attribute(op_type, name, held.numbers or ())
        return held

    def _tensor(self, message: memoryview) -> _Constant:
        """It must hold as much as it says."""
        name, data_type, raw = "", 0, None
        dims, pieces = [], []
        for part, payload, value in self._parts(message, _TENSOR):
            if part == "external_data" or (part == "data_location" and value):
                raise ArtifactError("its weights lie in another file; make it one: onnx.save(onnx.load(FILE), ONE)")
            if part == "name":
                name = _text(payload)
            elif part == "data_type":
                data_type = value or 0
            elif part == "raw_data":
                raw = payload
            elif part == "dims":
                dims.append((part, payload, value))
            elif part != "data_location":
                pieces.append((part, payload, value))
        elements = self._elements(name, _numbers(dims))
        _check_held(name, data_type, elements, raw, pieces)
        return _Constant(name, data_type, _values(data_type, elements, raw, pieces))

    def _elements(self, name: str, dims: _Numbers | None) -> int:
        if dims is None or any(extent < 0 for extent in dims):
            raise ArtifactError(f"its tensor {name!r:.60} has an impossible shape")
        elements = int(math.prod(dims))
        if elements > self._limits.max_elements:
            raise ArtifactError(f"its tensor {name!r:.60} has more than {self._limits.max_elements} elements")
        return elements

    def _check_attribute(self, op_type: str, name: str, numbers: _Numbers) -> None:
        if name in _SHAPE_ATTRIBUTES:
            self._make(op_type, numbers)
        elif name in _STEP_ATTRIBUTES:
            self._check_factor(op_type, max(map(abs, numbers), default=0))

    def _check_growth(self, op_type: str, inputs: list[str]) -> None:
        """Refuse a node that makes a huge tensor, as far as constants say so."""
        if op_type not in _GROWING:
            return
        given = [self._constants.get(name, ()) for name in inputs[:4]] + [()] * 4
        sizes = [numbers for numbers in given if numbers is not None]
        if op_type in _FROM_NOTHING and not all(name in self._constants or name in self._measured for name in inputs):
            raise ArtifactError(f"its operator {op_type} makes a tensor whose size is not written in the file")
        if len(sizes) < len(given) and (op_type in _FROM_NOTHING or None in given[1:]):
            raise ArtifactError(f"its operator {op_type} has sizes that are no small whole numbers")
        if op_type in _SHAPES:
            self._make(op_type, given[_SHAPES[op_type]] or ())
        for position in _FACTORS.get(op_type, ()):
            self._check_factor(op_type, math.prod(map(abs, given[position] or ())))
        if op_type == "Pad":
            self._check_factor(op_type, max(map(abs, given[1] or ()), default=0))
        elif op_type == "Range":
            start, limit, delta = (next(iter(numbers), 0.0) for numbers in sizes[:3])  # 0 where it is measured
            self._make(op_type, (abs(limit - start) / (abs(delta) or 1.0),))

    def _check_division(self, node: _Node) -> None:
        """Refuse to divide whole numbers by what ends the process: 0, and -1 under the smallest of them."""
        if node.op_type not in DIVISIONS or self._floats.any_of(node.inputs):
            return
        divisors = self._constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if not divisors or not {0, -1}.isdisjoint(divisors):
            raise ArtifactError(f"its operator {node.op_type} divides whole numbers by what may be 0 or -1")

    def _make(self, op_type: str, shape: _Numbers) -> None:
        self._made += math.prod(abs(float(extent)) for extent in shape)
        if not self._made <= self._limits.max_made:
            raise ArtifactError(f"its operator {op_type!r:.60} makes more than {self._limits.max_made} elements")

    def _check_factor(self, op_type: str, factor: float) -> None:
        if not factor <= self._limits.max_factor:
            raise ArtifactError(f"its operator {op_type!r:.60} stretches by more than {self._limits.max_factor}")

    def _parts(self, message: memoryview, names: Mapping[int, str]) -> Iterator[_Part]:
        """The named fields of a message: name, payload, and the value of a varint (whose payload is empty)."""
        for number, wire_type, _, payload, end, value in fields(message):
            self._parts_left -= 1
            if self._parts_left < 0:
                raise ArtifactError(f"it has more than {self._limits.max_parts} parts")
            name = names.get(number)
            if name is None:
                continue
            if wire_type not in _WIRE_TYPES.get(name, (LENGTH_DELIMITED,)):
                raise ArtifactError(f"not an ONNX file: its {name} is written in another way")
            yield (name, message[:0], value) if wire_type == VARINT else (name, message[payload:end], None)


def _check_operator(op_type: str, domain: str) -> None:
    if domain not in _DOMAINS:
        raise ArtifactError(f"its operator {op_type!r:.60} is of the unknown domain {domain!r:.60}")
    if op_type in _CONTROL_FLOW:
        raise ArtifactError(f"its operator {op_type} is control flow, which can run for ever")
    if op_type in _FILE_READERS:
        raise ArtifactError(f"its operator {op_type} reads other files")


def _check_held(name: str, data_type: int, elements: int, raw: memoryview | None, pieces: list[_Part]) -> None:
    if data_type != _STRING and data_type not in _BITS:
        raise ArtifactError(f"its tensor {name!r:.60} is of the unknown type {data_type}")
    if any(part != _TYPED_FIELDS[data_type] for part, _, _ in pieces):
        raise ArtifactError(f"its tensor {name!r:.60} holds values of another type than it says")
    if raw is not None:
        held, exact = len(raw), -(-elements * _BITS.get(data_type, 0) // 8)
        fits = held == exact and not pieces and data_type != _STRING
    else:  # at least a byte for each value, of which one may hold two 4-bit or four 2-bit elements
        held = sum(len(payload) or 1 for _, payload, _ in pieces)
        fits = elements <= held * 4 and (data_type == _STRING or held <= elements * _MAX_VALUE_BYTES)
    if not fits:
        raise ArtifactError(f"its tensor {name!r:.60} says {elements} elements but holds {held} bytes")


def _values(data_type: int, elements: int, raw: memoryview | None, pieces: list[_Part]) -> _Numbers | None:
    """The numbers of a small tensor of a type in which sizes are written."""
    letter = _LETTERS.get(data_type)
    if elements > _MAX_SIZES or letter is None:
        return None
    if raw is not None:
        return struct.unpack(f"<{elements}{letter}", raw)
    numbers = _numbers(pieces)
    if numbers is None or len(numbers) != elements:
        raise ArtifactError(f"one of its tensors says {elements} elements but holds others")
    return numbers


def _numbers(pieces: list[_Part]) -> _Numbers | None:
    """The numbers of a repeated field, packed or one by one; None where they are many."""
    numbers: list[float] = []
    for part, payload, value in pieces:
        if len(numbers) > _MAX_SIZES or len(payload) > _MAX_SIZES * _MAX_VALUE_BYTES:
            return None
        if value is not None:
            numbers.append(signed(value))
        elif VARINT in _WIRE_TYPES.get(part, ()):
            numbers.extend(map(signed, varints(payload)))
        else:
            code, width = ("d", 8) if part == "double_data" else ("f", 4)
            numbers.extend(struct.unpack(f"<{len(payload) // width}{code}", payload[: len(payload) // width * width]))
    return numbers if len(numbers) <= _MAX_SIZES else None


def _text(payload: memoryview) -> str:
    return str(payload, "utf-8", "replace")
