"""Validation of a model's bytes before ONNX Runtime loads them: refuses what no image classifier needs.

A model file is a program. Loading or running it could read files that it names, loop forever, call functions three
thousand levels deep, or exhaust memory from a few bytes. All of this is visible in the protobuf wire format, so that is
read here, message by message, without the onnx package and without copying a weight. `costs` then computes the work of
each node; what all nodes together take, `runtime.run_limits` bounds while they run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from edgekit.artifact.guard import onnx_fields
from edgekit.artifact.guard.costs import CheckedGraph, Node
from edgekit.artifact.guard.float_types import KnownFloats
from edgekit.artifact.guard.growth import GrowthCheck
from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits, node_operations_limit
from edgekit.artifact.guard.operator_call import Constant, Shape
from edgekit.artifact.guard.tensors import (
    FLOAT,
    INT64,
    WIRE_TYPES,
    NamedField,
    Numbers,
    check_stored,
    numbers_of,
    values_of,
)
from edgekit.artifact.metadata import MAX_METADATA_BYTES, is_ort_format
from edgekit.artifact.protobuf import LENGTH_DELIMITED, VARINT, plain_fields, signed
from edgekit.errors import ArtifactError, quote

_DELIMITED, _EMPTY = (LENGTH_DELIMITED,), memoryview(b"")
_NUMBER_TYPES = {"f": FLOAT, "floats": FLOAT, "i": INT64, "ints": INT64}
_MAX_SHARED_BYTES = 64  # of an attribute
_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_FILE_READERS = frozenset({"EPContext"})  # names a file that the execution provider of an accelerator opens
_SPARSE = "sparse tensors are not supported, because unpacking them can exhaust memory"


def check_model(
    model: bytes, *, name: str, limits: ModelLimits = DEFAULT_MODEL_LIMITS, input_shape: Shape | None = ()
) -> CheckedGraph:
    """Check that an untrusted model is safe to load, and to run on one image.

    Args:
        model: content of an ONNX file.
        name: what messages call it.
        limits: on its size and structure, and on the work of each node.
        input_shape: as in `CheckedGraph.check_costs`; None if the caller calls that before it runs the model.

    Returns:
        What has to be checked again before input of another shape is fed.

    Raises:
        ArtifactError: the model is refused; the message states the reason.
        SpecError: EDGEKIT_MAX_NODE_OPERATIONS is not valid.
    """
    try:
        if not model:
            raise ArtifactError("not an ONNX file: the file is empty")
        if len(model) > limits.max_bytes:
            raise ArtifactError(
                f"{len(model)} bytes, more than the limit of {limits.max_bytes} bytes; raise `model_limits` to allow it"
            )
        if is_ort_format(model):
            raise ArtifactError("ONNX Runtime's own format cannot be validated; pass the .onnx file")
        limit = node_operations_limit(limits, model_bytes=len(model))
        graph = _Scan(name, limits, limit).check_file(memoryview(model))
    except ArtifactError as error:
        raise ArtifactError(f"{name}: refused: {error}") from None
    if input_shape is not None:
        graph.check_costs(input_shape)
    return graph


class _Scan:
    """The state of one pass over one file."""

    def __init__(self, name: str, limits: ModelLimits, max_operations: int | None) -> None:
        self._name, self._limits, self._max_operations = name, limits, max_operations
        self._remaining_fields = limits.max_fields
        self._constants: dict[str, Constant] = {}
        self._numbers: dict[str, Numbers | None] = {}  # of the constants
        self._growth = GrowthCheck(self._numbers, limits)
        self._floats = KnownFloats()
        self._attributes: dict[tuple[str, bytes], tuple[Constant, int]] = {}  # with the number of their fields

    def check_file(self, message: memoryview) -> CheckedGraph:
        graphs, metadata_bytes = [], 0
        for field, payload, _ in self._named_fields(message, onnx_fields.MODEL):
            if field == "functions":
                raise ArtifactError("the model defines functions; export it with its functions inlined")
            if field == "training_info":
                raise ArtifactError("the model contains a training graph; export it for inference")
            if field == "graph":
                graphs.append(payload)
                continue
            metadata_bytes += len(payload)
            if metadata_bytes > MAX_METADATA_BYTES:
                raise ArtifactError(f"more than {MAX_METADATA_BYTES} bytes of metadata")
        if len(graphs) != 1:
            raise ArtifactError(f"not a model: must have exactly one graph (has {len(graphs)} graphs)")
        return self._check_graph(graphs[0])

    def _check_graph(self, message: memoryview) -> CheckedGraph:
        nodes: list[Node] = []
        inputs = []
        for field, payload, _ in self._named_fields(message, onnx_fields.GRAPH):
            if field == "sparse":
                raise ArtifactError(_SPARSE)
            if field == "initializer":
                self._add_constant(self._tensor(payload))
            elif field == "value":
                inputs.append(payload)
            elif len(nodes) == self._limits.max_nodes:
                raise ArtifactError(f"the graph has more than {self._limits.max_nodes} nodes")
            else:
                nodes.append(self._node(payload))
        for node in nodes:  # after all constants are known; in topological order, as ONNX requires
            self._growth.check_node(node.op_type, node.inputs)
            self._floats.add_node(node.op_type, node.inputs, node.outputs)
        nodes = [node for node in nodes if node.op_type != "Constant"]
        shapes = dict(filter(None, map(self._input, inputs)))
        return CheckedGraph(self._name, nodes, shapes, self._constants, self._floats, self._max_operations)

    def _input(self, message: memoryview) -> tuple[str, Shape] | None:
        """Read the name and shape of an input; None for a constant, all of which older files list as inputs, too."""
        name, shape = "", list[int]()
        for field, payload, _ in self._named_fields(message, onnx_fields.VALUE):
            if field == "name":
                name = _text(payload)
                if name in self._constants:
                    return None
            else:
                shape.extend(self._extents(payload))
        return name, shape

    def _extents(self, message: memoryview, depth: int = 0) -> Iterator[int]:
        """Iterate over the extents in a TypeProto; 0 for one that is left open."""
        if depth == len(onnx_fields.TYPE_PATH):
            numbers = [value for _, _, value in self._named_fields(message, onnx_fields.DIMENSION)]
            if len(numbers) > 1:
                raise ArtifactError("an axis of an input states its extent twice")
            yield signed(numbers[0] or 0) if numbers else 0
            return
        for _, payload, _ in self._named_fields(message, onnx_fields.TYPE_PATH[depth]):
            yield from self._extents(payload, depth + 1)

    def _node(self, message: memoryview) -> Node:
        texts = {"op_type": "", "domain": ""}
        names: dict[str, list[str]] = {"input": [], "output": []}
        attributes = []
        for field, payload, _ in self._named_fields(message, onnx_fields.NODE):
            if field in names:
                names[field].append(_text(payload))
            elif field == "attribute":
                attributes.append(payload)
            else:
                texts[field] = _text(payload)
        _check_operator(texts["op_type"], texts["domain"])
        values = {value.name: value for value in (self._attribute(a, texts["op_type"]) for a in attributes)}
        node = Node(texts["op_type"], names["input"], names["output"], texts["domain"], values)
        if len(values) < len(attributes):
            raise ArtifactError(f"operator {quote(node.op_type)} has a duplicate attribute")
        if node.op_type == "Constant":
            if len(values) != 1 or len(node.outputs) != 1:
                raise ArtifactError("operator Constant must have exactly one value and one output")
            (value,) = values.values()
            self._add_constant(value._replace(name=node.outputs[0]))
        elif node.op_type == "Cast" and "to" in values and node.outputs:
            self._floats.add(node.outputs[0], int(next(iter(values["to"].numbers or ()), 0)))
        elif node.op_type == "ConstantOfShape" and node.outputs:
            self._floats.add(node.outputs[0], values["value"].data_type if "value" in values else FLOAT)
        return node

    def _add_constant(self, constant: Constant) -> None:
        if constant.name in self._constants:
            raise ArtifactError(f"duplicate constant {quote(constant.name)}")
        self._constants[constant.name], self._numbers[constant.name] = constant, constant.numbers
        self._floats.add(constant.name, constant.data_type)

    def _attribute(self, message: memoryview, op_type: str) -> Constant:
        """Read an attribute. Small ones that are equal, as hundreds of strides of 1 are, are read once."""
        if len(message) > _MAX_SHARED_BYTES:
            constant = self._read_attribute(message, op_type)
        else:
            key, remaining = (op_type, bytes(message)), self._remaining_fields
            if key in self._attributes:
                constant, fields = self._attributes[key]
                self._count_fields(fields)
            else:
                constant = self._read_attribute(message, op_type)
                self._attributes[key] = constant, remaining - self._remaining_fields
        self._growth.check_attribute(op_type, constant.name, constant.numbers)
        return constant

    def _read_attribute(self, message: memoryview, op_type: str) -> Constant:
        """Read an attribute: its name, and its tensor or numbers."""
        name, value_type, stored = "", 0, []
        for field, payload, value in self._named_fields(message, onnx_fields.ATTRIBUTE):
            if field == "graph":
                raise ArtifactError(f"operator {quote(op_type)} contains a subgraph (control flow)")
            if field == "sparse":
                raise ArtifactError(_SPARSE)
            if field == "name":
                name = _text(payload)
            elif field == "type":
                value_type = value or 0
            else:
                stored.append((field, payload, value))
        # Old files do not state the type; in those, the field that is present counts.
        value_field = (
            onnx_fields.ATTRIBUTE_VALUE_FIELDS.get(value_type) if value_type else stored[0][0] if stored else ""
        )
        if any(field != value_field for field, _, _ in stored) or value_field is None:
            raise ArtifactError(f"attribute {quote(name)} stores a value of another type than it declares")
        if value_field in ("t", "tensors"):
            if len(stored) != 1:
                raise ArtifactError(f"attribute {quote(name)} must have exactly one tensor")
            constant = self._tensor(stored[0][1])._replace(name=name)
        else:
            numbers = numbers_of(stored) if value_field in _NUMBER_TYPES else ()
            if value_field in ("f", "i") and not stored:  # the field may be absent if the number is 0
                numbers = (0,)
            text = _text(stored[0][1]) if value_field == "s" and stored else ""
            shape = () if value_field in ("f", "i") else None if numbers is None else (len(numbers),)
            constant = Constant(name, _NUMBER_TYPES.get(value_field, 0), numbers, shape, text)
        if (op_type, constant.name) == ("Cast", "to") and value_field != "i":
            raise ArtifactError("attribute 'to' of operator Cast must be an integer")
        return constant

    def _tensor(self, message: memoryview) -> Constant:
        """Read a tensor, which has to store exactly what it declares."""
        name, data_type, raw = "", 0, None
        dims, typed = [], []
        for field, payload, value in self._named_fields(message, onnx_fields.TENSOR):
            if field == "external_data" or (field == "data_location" and value):
                raise ArtifactError(
                    "the weights are in another file; merge them with onnx.save(onnx.load(FILE), NEW_FILE)"
                )
            if field == "name":
                name = _text(payload)
            elif field == "data_type":
                data_type = value or 0
            elif field == "raw_data":
                raw = payload
            elif field == "dims":
                dims.append((field, payload, value))
            elif field != "data_location":
                typed.append((field, payload, value))
        shape = numbers_of(dims)
        if shape is None or any(extent < 0 for extent in shape):
            raise ArtifactError(f"tensor {quote(name)} has an invalid shape")
        elements = int(math.prod(shape))
        if elements > self._limits.max_elements:
            raise ArtifactError(f"tensor {quote(name)} has more than {self._limits.max_elements} elements")
        check_stored(name, data_type, elements, raw, typed)
        return Constant(name, data_type, values_of(data_type, elements, raw, typed), tuple(map(int, shape)))

    def _named_fields(self, message: memoryview, names: Mapping[int, str]) -> Iterator[NamedField]:
        """Iterate over the fields of a message that have a name."""
        singular = set()
        for number, wire_type, _, payload, end, value in plain_fields(message):
            self._count_fields(1)
            name = names.get(number)
            if name is None:
                continue
            if wire_type not in WIRE_TYPES.get(name, _DELIMITED):
                raise ArtifactError(f"not an ONNX file: field {name} has an unexpected wire type")
            if name in onnx_fields.SINGULAR:
                if name in singular:
                    raise ArtifactError(f"duplicate field {name}")
                singular.add(name)
            yield (name, _EMPTY, value) if wire_type == VARINT else (name, message[payload:end], None)

    def _count_fields(self, count: int) -> None:
        self._remaining_fields -= count
        if self._remaining_fields < 0:
            raise ArtifactError(f"more than {self._limits.max_fields} protobuf fields")


def _check_operator(op_type: str, domain: str) -> None:
    if domain not in _DOMAINS:
        raise ArtifactError(f"operator {quote(op_type)} is of the unknown domain {quote(domain)}")
    if op_type in _CONTROL_FLOW:
        raise ArtifactError(f"operator {op_type} is control flow, which can run forever")
    if op_type in _FILE_READERS:
        raise ArtifactError(f"operator {op_type} reads other files")


def _text(payload: memoryview) -> str:
    return str(payload, "utf-8", "surrogateescape")  # different names stay different
