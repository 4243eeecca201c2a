"""Micro-graphs in float32, as edgekit exports networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.bench.micro_graphs.onnx_bytes import Array, Attribute, model, node
from edgekit.bench.micro_graphs.steps import MicroGraph, Step

_ACTIVATIONS: Mapping[str, tuple[str, Mapping[str, Attribute]]] = {
    "relu": ("Relu", {}),
    "sigmoid": ("Sigmoid", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_swish": ("HardSwish", {}),
}


def float_graph(graph: MicroGraph) -> bytes:
    """The ONNX model of a micro-graph in float32, with random weights.

    Args:
        graph: what to compute.
    """
    writer = _Writer()
    for position, step in enumerate(graph.steps):
        writer.write(step, position)
    first = graph.steps[0]
    if first.kind == "pixels":
        source = "source", "uint8", (1, *first.input, first.channels)
    else:
        source = "source", "float32", (1, first.channels, *first.input)
    return model(writer.nodes, constants=writer.constants, source=source, output=graph.output)


def conv_attributes(step: Step) -> dict[str, Attribute]:
    """The attributes of a convolution or a pooling, with the border that gives its output."""
    pads = []
    for extent, result, kernel, stride in zip(step.input, step.output, step.kernel, step.stride, strict=True):
        border = max((result - 1) * stride + kernel - extent, 0)
        pads.append((border // 2, border - border // 2))
    attributes: dict[str, Attribute] = {
        "kernel_shape": step.kernel,
        "strides": step.stride,
        "pads": [before for before, _ in pads] + [after for _, after in pads],
    }
    return attributes | ({"group": step.groups} if step.kind == "conv" else {})


class _Writer:
    """Collects the nodes and the constants of a graph; the output of step i is called "vi"."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: dict[str, Array] = {}
        self._rng = np.random.default_rng(0)

    def write(self, step: Step, position: int) -> None:
        """Append the nodes of a step."""
        output, inputs = f"v{position}", [f"v{index}" for index in step.inputs]
        match step.kind:
            case "pixels":
                self._pixels(step, output)
            case "input":
                self.nodes.append(node("Identity", ["source"], output))
            case "conv":
                names = self._weights(step, output, (step.channels, step.in_channels // step.groups, *step.kernel))
                self.nodes.append(node("Conv", [*inputs, *names], output, conv_attributes(step)))
            case "linear":
                self.nodes.append(node("Flatten", inputs, f"{output}_flat", {"axis": 1}))
                names = self._weights(step, output, (step.channels, step.in_channels))
                self.nodes.append(node("Gemm", [f"{output}_flat", *names], output, {"transB": 1}))
            case "activation":
                self._activation(step.activation, inputs[0], output)
            case "mean":
                axes = self._constant(f"{output}_axes", np.array([-2, -1], np.int64))
                self.nodes.append(node("ReduceMean", [inputs[0], axes], output, {"keepdims": 1}))
            case "max_pool":
                self.nodes.append(node("MaxPool", inputs, output, conv_attributes(step)))
            case "pad":
                self._pad(step, inputs[0], output)
            case _:
                self.nodes.append(node({"add": "Add", "mul": "Mul"}[step.kind], inputs, output))

    def _pixels(self, step: Step, output: str) -> None:
        self.nodes.append(node("Transpose", ["source"], f"{output}_planes", {"perm": (0, 3, 1, 2)}))
        self.nodes.append(node("Cast", [f"{output}_planes"], f"{output}_float", {"to": 1}))
        shape = (1, step.channels, 1, 1)
        scale = self._constant(f"{output}_scale", np.full(shape, 1 / 58, np.float32))
        offset = self._constant(f"{output}_offset", np.full(shape, -2.1, np.float32))
        self.nodes.append(node("Mul", [f"{output}_float", scale], f"{output}_scaled"))
        self.nodes.append(node("Add", [f"{output}_scaled", offset], output))

    def _activation(self, name: str, source: str, output: str) -> None:
        if name == "relu6":
            bounds = [self._constant(f"{output}_{bound}", np.array(bound, np.float32)) for bound in (0, 6)]
            self.nodes.append(node("Clip", [source, *bounds], output))
        elif name == "silu":
            self.nodes.append(node("Sigmoid", [source], f"{output}_gate"))
            self.nodes.append(node("Mul", [source, f"{output}_gate"], output))
        else:
            kind, attributes = _ACTIVATIONS[name]
            self.nodes.append(node(kind, [source], output, attributes))

    def _pad(self, step: Step, source: str, output: str) -> None:
        ints = {"starts": [0, 0], "ends": [2**31, 2**31], "axes": [2, 3], "steps": list(step.stride)}
        names = [self._constant(f"{output}_{name}", np.array(values, np.int64)) for name, values in ints.items()]
        self.nodes.append(node("Slice", [source, *names], f"{output}_sliced"))
        before = (step.channels - step.in_channels) // 2
        after = step.channels - step.in_channels - before
        pads = self._constant(f"{output}_pads", np.array([0, before, 0, 0, 0, after, 0, 0], np.int64))
        self.nodes.append(node("Pad", [f"{output}_sliced", pads], output))

    def _weights(self, step: Step, output: str, shape: tuple[int, ...]) -> list[str]:
        """Weights that keep values about as large as they are, and a bias."""
        deviation = (2 / np.prod(shape[1:])) ** 0.5
        weights = self._rng.normal(0, deviation, shape).astype(np.float32)
        return [
            self._constant(f"{output}_weights", weights),
            self._constant(f"{output}_bias", np.full(step.channels, 0.1, np.float32)),
        ]

    def _constant(self, name: str, values: np.ndarray[Any, Any]) -> str:
        self.constants[name] = values
        return name
