"""Refuses a graph with a node that would run for minutes, or end the process.

ONNX Runtime stops a run between two kernels, never inside one. So the time limit of `runtime.run_limits` holds only if
no single node takes long, which its operator and the shapes of its inputs tell. Shapes and sizes are computed exactly,
for the input that will be fed, because one that is computed from another may grow as fast as its author likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edgekit.artifact.guard.float_types import DIVISIONS, KnownFloats
from edgekit.artifact.guard.model_limits import NODE_OPERATIONS_VARIABLE
from edgekit.artifact.guard.operator_call import MISFITS, Constant, OperatorCall, Shape, UnknownSizeError
from edgekit.artifact.guard.operators import MICROSOFT, OPERATORS, Operator
from edgekit.artifact.guard.shape_rules import STRING
from edgekit.artifact.guard.size_values import MAX_VALUES, OF_SHAPES, VALUE_RULES
from edgekit.artifact.guard.tensors import Numbers
from edgekit.errors import ArtifactError, quote

DYNAMIC_EXTENT = 224
# A file that its user trusts may still be run.
_UNPREDICTABLE = f"cannot be predicted; if you trust this model, set {NODE_OPERATIONS_VARIABLE}=unlimited"
_TYPED = DIVISIONS | {
    "FusedGemm",
    "FusedMatMul",
    "Gemm",
    "MatMul",
}  # what they cost, or may do, depends on the type of their inputs
_MAX_RANK, _MAX_EXTENT, _MAX_EMPTY = 16, 2**40, 2**16


class UnpredictableError(ArtifactError):
    """Nobody knows what a node costs, or whether it ends the process, because that depends on data."""


class Node(NamedTuple):
    """A node of a graph.

    Attributes:
        op_type: its operator.
        inputs: names of its inputs; empty for one that is left out.
        outputs: names of its outputs, likewise.
        domain: of the operator.
        attributes: by name.
    """

    op_type: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    domain: str
    attributes: Mapping[str, Constant]


class CheckedGraph(NamedTuple):
    """What is known of a graph that passed all checks but that of its costs, which depend on its input.

    Attributes:
        name: what messages call the model.
        nodes: in topological order, without Constant.
        inputs: names and shapes of its inputs; an extent is 0 or less where the file leaves it open.
        constants: that are written in the file, by name.
        floats: which values are certainly floats.
        max_operations: that one node may take for one image; None for any number.
    """

    name: str
    nodes: Sequence[Node]
    inputs: Mapping[str, Shape]
    constants: Mapping[str, Constant]
    floats: KnownFloats
    max_operations: int | None

    def check_costs(self, input_shape: Shape = ()) -> Mapping[str, Shape]:
        """Check what the nodes cost, and that no integer division ends the process.

        Args:
            input_shape: extents of what is fed, for axes that the file leaves open; by default a batch of 1 and 224.

        Returns:
            The shapes of all values by name; nothing if any number of operations is allowed.

        Raises:
            ArtifactError: a node takes too long, nobody knows how long, or may end the process.
        """
        if self.max_operations is None:
            return {}
        default = (1, *(DYNAMIC_EXTENT,) * _MAX_RANK)
        fed = (*input_shape, *default[len(input_shape) :])
        inputs = {
            name: tuple(extent if extent > 0 else fed[axis] for axis, extent in enumerate(shape[:_MAX_RANK]))
            for name, shape in self.inputs.items()
        }
        images = max(fed[0], 1)
        costs = _Costs(self.constants, inputs, self.max_operations * images)
        try:
            for node in self.nodes:
                floats = node.op_type in _TYPED and self.floats.includes_any(node.inputs)
                if node.op_type in DIVISIONS and not floats:
                    costs.check_divisor(node)
                costs.check_node(node, floats=floats)
        except ArtifactError as error:
            many = f" for {images} images at once" if images > 1 else ""
            raise type(error)(f"{self.name}: refused{many}: {error}") from None
        return costs.shapes


class _Costs:
    """Computes the shape of every value of a graph, the values of sizes, and what its nodes cost."""

    def __init__(self, constants: Mapping[str, Constant], inputs: Mapping[str, Shape], max_operations: int) -> None:
        self._max_operations = max_operations
        self.shapes = dict(inputs)
        self._values: dict[str, Numbers] = {}  # of small integer tensors
        for name, constant in constants.items():
            if constant.data_type != STRING and constant.shape is not None and _is_reasonable(constant.shape):
                self.shapes[name] = constant.shape
            if constant.numbers is not None:
                self._values[name] = constant.numbers

    def check_divisor(self, node: Node) -> None:
        """Refuse an integer division that ends the process: by 0, or of the smallest integer by -1."""
        divisors = self._values.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if not divisors or not {0, -1}.isdisjoint(divisors):
            raise UnpredictableError(f"integer {node.op_type} with a divisor that may be 0 or -1")

    def check_node(self, node: Node, *, floats: bool) -> None:
        """Raise ArtifactError for a node that takes too long, or nobody knows how long."""
        key = f"{MICROSOFT}.{node.op_type}" if node.domain == MICROSOFT else node.op_type
        try:
            if key not in OPERATORS:
                raise UnpredictableError(_refusal(node, f"takes a time that {_UNPREDICTABLE}"))
            call = OperatorCall(
                node.attributes,
                [self.shapes[name] if name else None for name in node.inputs],
                [self._values.get(name) for name in node.inputs],
                len(node.outputs),
                floats,
            )
            self._check_call(node, key, call)
        except ArtifactError:
            raise
        except UnknownSizeError:
            reason = f"makes a tensor whose size depends on data, so its time {_UNPREDICTABLE}"
            raise UnpredictableError(_refusal(node, reason)) from None
        except MISFITS:
            raise ArtifactError(_refusal(node, "has inputs or attributes that do not fit together")) from None

    def _check_call(self, node: Node, key: str, call: OperatorCall) -> None:
        rule = OPERATORS[key]
        shapes = rule.shapes(call)
        cost = _cost(rule, call, shapes)
        if not cost <= self._max_operations:
            needs = f"about {cost:.1e} operations, more than the limit of {self._max_operations:.1e}"
            raise ArtifactError(_refusal(node, f"needs {needs}; raise the limit with {NODE_OPERATIONS_VARIABLE}"))
        for name, shape in zip(node.outputs, shapes, strict=False):
            if name:
                self._add_output(name, shape)
        if key in VALUE_RULES and (key in OF_SHAPES or None not in call.values):
            self._add_values(key, call, node.outputs[0], shapes[0])

    def _add_output(self, name: str, shape: Shape) -> None:
        if name in self.shapes:
            raise ArtifactError(f"value {quote(name)} is defined twice")
        if not _is_reasonable(shape):
            raise ValueError(shape)
        self.shapes[name] = shape

    def _add_values(self, key: str, call: OperatorCall, name: str, shape: Shape) -> None:
        if not name or math.prod(shape) > MAX_VALUES:
            return
        if key not in OF_SHAPES and not all(isinstance(number, int) for numbers in call.values for number in numbers):
            return
        values = VALUE_RULES[key](call, shape)
        if values is not None:
            self._values[name] = values


def _is_reasonable(shape: Shape) -> bool:
    """Kernels may loop over what has no elements, which costs nothing here."""
    if not shape:
        return True
    most = _MAX_EMPTY if 0 in shape else _MAX_EXTENT
    return len(shape) <= _MAX_RANK and min(shape) >= 0 and max(shape) <= most


def _cost(rule: Operator, call: OperatorCall, shapes: Sequence[Shape]) -> float:
    elements = math.prod(call.shapes[0]) if call.has(0) else 0
    for shape in shapes:
        elements += math.prod(shape)
    cost: float = rule.per_element * elements
    return cost if rule.work is None else cost + rule.work(call, shapes[0])


def _refusal(node: Node, reason: str) -> str:
    value = f" (output {quote(node.outputs[0])})" if node.outputs else ""
    return f"operator {quote(node.op_type)}{value} {reason}"
