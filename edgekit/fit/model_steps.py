"""Reads the steps of a network from an ONNX file, as edgekit exports and quantizes it."""

from __future__ import annotations

import dataclasses

import onnx
from onnx import GraphProto, NodeProto, helper

from edgekit.bench.micro_graphs.steps import Step
from edgekit.errors import ArtifactError, quote
from edgekit.graph.skeleton import skeleton

# Views, conversions and what quantization adds: the value stays that of the step that computed it.
_SAME_VALUE = frozenset(
    {"Cast", "Transpose", "Identity", "Reshape", "Flatten", "Squeeze", "QuantizeLinear", "DequantizeLinear", "Dropout"}
)
_ACTIVATIONS = {
    "Relu": "relu",
    "Clip": "relu6",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "QuickGelu": "silu",
}
_GATED = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}  # times what it was computed from
_MEANS = frozenset({"GlobalAveragePool", "ReduceMean"})


def model_steps(model: bytes, *, name: str) -> tuple[Step, ...]:
    """Read the steps of a network.

    Args:
        model: bytes of an ONNX file whose operators are those of the space's networks.
        name: name of the file, for messages.

    Returns:
        The steps in running order; the first is that of the pixels.

    Raises:
        ArtifactError: it has an operator that no micro-graph stands for, or its shapes cannot be inferred.
    """
    try:
        parsed = onnx.load_from_string(skeleton(model))
        for value in parsed.graph.input:
            if not value.type.tensor_type.shape.dim[0].dim_value:
                value.type.tensor_type.shape.dim[0].dim_value = 1
        graph = onnx.shape_inference.infer_shapes(parsed, strict_mode=True, data_prop=True).graph
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error}") from None
    except Exception as error:  # protobuf's and onnx's own classes
        (reason, *_) = str(error).strip().splitlines() or [type(error).__name__]
        raise ArtifactError(f"{name}: cannot infer its shapes: {reason}") from None
    reader = _Reader(graph, name)
    for node in graph.node:
        reader.read(node)
    return tuple(reader.steps)


def model_precision(model: bytes) -> str:
    """Whether a network is computed in integers: "int8", or "float32"."""
    graph = onnx.load_from_string(skeleton(model)).graph
    return "int8" if any(node.op_type == "QuantizeLinear" for node in graph.node) else "float32"


class _Reader:
    """Turns the nodes of a graph into steps, in order."""

    def __init__(self, graph: GraphProto, name: str) -> None:
        self._name = name
        self._shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self._constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        (pixels,) = graph.input
        _, rows, columns, channels = self._shapes[pixels.name]
        size = (rows, columns)
        self.steps = [Step(kind="pixels", inputs=(), in_channels=channels, channels=channels, input=size, output=size)]
        self._places = {pixels.name: 0}  # the step that computes a value

    def read(self, node: NodeProto) -> None:
        """Append what a node computes."""
        operands = [name for name in node.input if name in self._places]
        kind, output = node.op_type, node.output[0]
        if not operands:  # of constants, such as dequantized weights
            self._constants[output] = self._constants.get(node.input[0], []) if node.input else []
            return
        places = [self._places[name] for name in operands]
        is_normalizing = kind in ("Mul", "Add", "Sub", "Div") and len(operands) == 1 and places == [0]
        if kind in _SAME_VALUE or is_normalizing:
            self._places[output] = places[0]
        elif kind == "Mul" and (activation := self._gated(places)) is not None:
            gate = max(places)
            self.steps[gate] = self._step(node, "activation", (min(places),), activation=activation)
            self._places[output] = gate
        elif kind == "Pad" and self.steps[places[0]].kind == "pad":
            self.steps[places[0]] = dataclasses.replace(self.steps[places[0]], channels=self._extents(output)[0])
            self._places[output] = places[0]
        else:
            self.steps.append(self._computed(node, tuple(places)))
            self._places[output] = len(self.steps) - 1

    def _gated(self, places: list[int]) -> str | None:
        """The activation that is the product of a value and a function of it."""
        if len(places) != 2 or places[0] == places[1]:
            return None
        gate, is_last = self.steps[max(places)], max(places) == len(self.steps) - 1
        return _GATED.get(gate.activation) if is_last and gate.inputs == (min(places),) else None

    def _computed(self, node: NodeProto, places: tuple[int, ...]) -> Step:
        kind = node.op_type
        if kind in _ACTIVATIONS:
            return self._step(node, "activation", places, activation=_ACTIVATIONS[kind])
        if kind == "Add" and len(places) == 1:  # the line of a hard sigmoid, whose bounds are those of its range
            return self._step(node, "activation", places, activation="hard_sigmoid")
        if kind in ("Add", "Mul"):
            if kind == "Mul" and self.steps[places[0]].output == (1, 1):
                places = (places[1], places[0])
            return self._step(node, kind.lower(), places)
        if kind in _MEANS:
            return self._step(node, "mean", places)
        if kind in ("Conv", "MaxPool"):
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            return self._step(
                node,
                "conv" if kind == "Conv" else "max_pool",
                places,
                kernel=tuple(attributes["kernel_shape"]),
                stride=tuple(attributes.get("strides", (1, 1))),
                groups=attributes.get("group", 1),
            )
        if kind == "Gemm":
            return self._step(node, "linear", places)
        if kind == "Slice":  # a shortcut without weights: every other position, then channels of zeros
            return self._step(node, "pad", places, stride=(2, 2))
        raise ArtifactError(
            f"{self._name}: no micro-graph stands for the operator {quote(kind)} of node {quote(node.name)}"
        )

    def _step(self, node: NodeProto, kind: str, places: tuple[int, ...], **settings: object) -> Step:
        channels, rows, columns = self._extents(node.output[0])
        in_channels, in_rows, in_columns = self._extents(
            next(name for name in node.input if self._places.get(name) == places[0])
        )
        return Step(
            kind=kind,
            inputs=places,
            in_channels=in_channels,
            channels=channels,
            input=(in_rows, in_columns),
            output=(rows, columns),
            **settings,  # type: ignore[arg-type]
        )

    def _extents(self, value: str) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        _, channels, *size = self._shapes[value]
        rows, columns = size if len(size) == 2 else (1, 1)
        return channels, rows, columns
