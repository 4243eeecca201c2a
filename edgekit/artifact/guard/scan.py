"""Look through a model's bytes before onnxruntime sees them, and refuse what no classifier needs.

A model file is a program. What it could do by being loaded or run (read files that it names, loop for ever, call
functions three thousand deep, fill the memory from a few bytes) shows on the protobuf wire, so it is read there,
message by message, without the onnx package and without copying a weight. Sizes that a graph computes only when it
runs are beyond such a look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edgekit.artifact.guard.float_types import DIVISIONS, KnownFloats
from edgekit.artifact.guard.growth import GrowthCheck
from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.artifact.guard.tensors import FLOAT, INT64, WIRE_TYPES, Numbers, Part, check_stored, numbers_of, values_of
from edgekit.artifact.info import is_ort_format
from edgekit.artifact.protobuf import LENGTH_DELIMITED, VARINT, fields
from edgekit.errors import ArtifactError

# What is read of each message: the field numbers of onnx.proto (ONNX 1.23).
_MODEL = {7: "graph", 20: "training_info", 25: "functions"}
_GRAPH = {1: "node", 5: "initializer", 15: "sparse"}
_NODE = {1: "input", 2: "output", 4: "op_type", 5: "attribute", 7: "domain"}
_ATTRIBUTE = {
    1: "name",
    2: "f",
    3: "i",
    4: "s",
    5: "t",
    6: "graph",
    7: "floats",
    8: "ints",
    9: "strings",
    10: "tensors",
    11: "graph",
    14: "tp",
    15: "type_protos",
    20: "type",
    21: "ref_attr_name",
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
# Of a field that is no list protobuf keeps the last value, or merges all of them, so a second one is refused.
_SINGULAR = frozenset(
    {
        *("op_type", "domain", "name", "type", "f", "i", "s", "t", "tp", "ref_attr_name"),
        *("data_type", "raw_data", "data_location"),
    }
)
# By AttributeProto.AttributeType: the field whose value counts, whatever else an attribute holds.
_VALUE_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings", 9: "tensors"}
_VALUE_FIELDS |= {13: "tp", 14: "type_protos"}
_NUMBER_TYPES = {"f": FLOAT, "floats": FLOAT, "i": INT64, "ints": INT64}
_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_FILE_READERS = frozenset({"EPContext"})  # names a file that an accelerator's provider opens


class _Constant(NamedTuple):
    """A value that is written in the file: its name, its type and, where they are few, its numbers."""

    name: str
    data_type: int
    numbers: Numbers | None


class _Node(NamedTuple):
    op_type: str
    inputs: list[str]
    outputs: list[str]


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

    constants: the small numeric ones by name, None for the others. floats: names of the values that are not integers.
    """

    def __init__(self, limits: ModelLimits) -> None:
        self._limits = limits
        self._parts_left = limits.max_parts
        self._constants: dict[str, Numbers | None] = {}
        self._growth = GrowthCheck(self._constants, limits)
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
            self._growth.node(*node)
            self._check_division(node)
            self._floats.pass_node(*node)

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
        values = {value.name: value for value in (self._attribute(a, node.op_type) for a in attributes)}
        if len(values) < len(attributes):
            raise ArtifactError(f"its operator {node.op_type!r:.60} holds one attribute twice")
        if node.op_type == "Constant":
            if len(values) != 1 or len(node.outputs) != 1:
                raise ArtifactError("one of its Constants has other than one value and one output")
            (value,) = values.values()
            self._add_constant(value._replace(name=node.outputs[0]))
        elif node.op_type == "Cast" and "to" in values and node.outputs:
            self._floats.add(node.outputs[0], int(next(iter(values["to"].numbers or ()), 0)))
        return node

    def _add_constant(self, constant: _Constant) -> None:
        if constant.name in self._constants:
            raise ArtifactError(f"its constant {constant.name!r:.60} stands twice")
        self._constants[constant.name] = constant.numbers
        self._floats.add(constant.name, constant.data_type)

    def _attribute(self, message: memoryview, op_type: str) -> _Constant:
        """The attribute's name, and what it holds: a tensor, or numbers of its own."""
        name, kind, pieces = "", 0, []
        for part, payload, value in self._parts(message, _ATTRIBUTE):
            if part == "graph":
                raise ArtifactError(f"its operator {op_type!r:.60} holds a graph of its own (control flow)")
            if part == "sparse":
                raise ArtifactError("it holds sparse tensors, which fill the memory when they are unpacked")
            if part == "name":
                name = _text(payload)
            elif part == "type":
                kind = value or 0
            else:
                pieces.append((part, payload, value))
        # An old file names no type, so there the field that is present counts.
        field = _VALUE_FIELDS.get(kind) if kind else pieces[0][0] if pieces else ""
        if any(part != field for part, _, _ in pieces) or field is None:
            raise ArtifactError(f"its attribute {name!r:.60} holds another type of value than it says")
        if field in ("t", "tensors"):
            if len(pieces) != 1:
                raise ArtifactError(f"its attribute {name!r:.60} holds other than one tensor")
            constant = self._tensor(pieces[0][1])._replace(name=name)
        else:
            numbers = numbers_of(pieces) if field in _NUMBER_TYPES else ()
            if field in ("f", "i") and not pieces:  # of a number that is 0 the field may be absent
                numbers = (0,)
            constant = _Constant(name, _NUMBER_TYPES.get(field, 0), numbers)
        if (op_type, constant.name) == ("Cast", "to") and field != "i":
            raise ArtifactError("its operator Cast names a type by what is no whole number")
        self._growth.attribute(op_type, constant.name, constant.numbers)
        return constant

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
        elements = self._elements(name, numbers_of(dims))
        check_stored(name, data_type, elements, raw, pieces)
        return _Constant(name, data_type, values_of(data_type, elements, raw, pieces))

    def _elements(self, name: str, dims: Numbers | None) -> int:
        if dims is None or any(extent < 0 for extent in dims):
            raise ArtifactError(f"its tensor {name!r:.60} has an impossible shape")
        elements = int(math.prod(dims))
        if elements > self._limits.max_elements:
            raise ArtifactError(f"its tensor {name!r:.60} has more than {self._limits.max_elements} elements")
        return elements

    def _check_division(self, node: _Node) -> None:
        """Refuse to divide whole numbers by what ends the process: 0, and -1 under the smallest of them."""
        if node.op_type not in DIVISIONS or self._floats.any_of(node.inputs):
            return
        divisors = self._constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if not divisors or not {0, -1}.isdisjoint(divisors):
            raise ArtifactError(f"its operator {node.op_type} divides whole numbers by what may be 0 or -1")

    def _parts(self, message: memoryview, names: Mapping[int, str]) -> Iterator[Part]:
        """The named fields of a message: name, payload, and the value of a varint (whose payload is empty)."""
        read = set()
        for number, wire_type, _, payload, end, value in fields(message):
            self._parts_left -= 1
            if self._parts_left < 0:
                raise ArtifactError(f"it has more than {self._limits.max_parts} parts")
            name = names.get(number)
            if name is None:
                continue
            if wire_type not in WIRE_TYPES.get(name, (LENGTH_DELIMITED,)):
                raise ArtifactError(f"not an ONNX file: its {name} is written in another way")
            if name in _SINGULAR:
                if name in read:
                    raise ArtifactError(f"one of its messages holds {name} twice")
                read.add(name)
            yield (name, message[:0], value) if wire_type == VARINT else (name, message[payload:end], None)


def _check_operator(op_type: str, domain: str) -> None:
    if domain not in _DOMAINS:
        raise ArtifactError(f"its operator {op_type!r:.60} is of the unknown domain {domain!r:.60}")
    if op_type in _CONTROL_FLOW:
        raise ArtifactError(f"its operator {op_type} is control flow, which can run for ever")
    if op_type in _FILE_READERS:
        raise ArtifactError(f"its operator {op_type} reads other files")


def _text(payload: memoryview) -> str:
    return str(payload, "utf-8", "surrogateescape")  # so that different names stay different
