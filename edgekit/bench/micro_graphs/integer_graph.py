"""Micro-graphs in int8, as edgekit quantizes networks: in the QDQ format, which onnxruntime turns into integers."""

from __future__ import annotations

import numpy as np

from edgekit.bench.micro_graphs.float_graph import conv_attributes
from edgekit.bench.micro_graphs.onnx_bytes import Array, Attribute, model, node
from edgekit.bench.micro_graphs.steps import MicroGraph, Step

_SCALE = 0.05  # of all activations: 8 bits then reach from 0 to 12.75, or as far around 0
_MAX_WEIGHT = 64  # with this bound, processors that add products in pairs do not saturate


def integer_graph(graph: MicroGraph, *, signed: bool) -> bytes:
    """The ONNX model of a micro-graph in int8, with random weights.

    Args:
        graph: what to compute.
        signed: whether activations are int8, as Arm multiplies them, rather than uint8.
    """
    writer = _Writer(signed=signed)
    for position, step in enumerate(graph.steps):
        writer.write(step, position, is_last=position == len(graph.steps) - 1)
    first = graph.steps[0]
    source = "source", "int8" if signed and first.kind == "input" else "uint8", (1, *first.input, first.channels)
    return model(writer.nodes, constants=writer.constants, source=source, output=graph.output)


class _Writer:
    """Collects the nodes and the constants of a graph; values between the steps are dequantized."""

    def __init__(self, *, signed: bool) -> None:
        self.nodes: list[bytes] = []
        self._names: list[str] = []  # of the output of each step
        self.constants: dict[str, Array] = {"scale": np.array(_SCALE, np.float32)}
        self._dtype = np.int8 if signed else np.uint8
        # Half the range lies below zero, because most tensors between the layers have both signs.
        self.constants["zero_point"] = np.array(0 if signed else 128, self._dtype)
        self._rng = np.random.default_rng(0)

    def write(self, step: Step, position: int, *, is_last: bool) -> None:
        """Append the nodes of a step."""
        output, inputs = f"v{position}", [self._names[index] for index in step.inputs]
        self._names.append(output)
        match step.kind:
            case "pixels":
                self._pixels(step, output)
            case "input":
                self.nodes.append(node("Transpose", ["source"], f"{output}_planes", {"perm": (0, 3, 1, 2)}))
                self.nodes.append(node("DequantizeLinear", [f"{output}_planes", "scale", "zero_point"], output))
            case "conv":
                names = self._weights(step, output, (step.channels, step.in_channels // step.groups, *step.kernel))
                self._quantized("Conv", [*inputs, *names], output, conv_attributes(step))
            case "linear":
                self._quantized("Flatten", inputs, f"{output}_flat", {"axis": 1})
                names = self._weights(step, output, (step.channels, step.in_channels))
                inner = [f"{output}_flat", *names]
                if is_last:  # logits stay in float32
                    self.nodes.append(node("Gemm", inner, output, {"transB": 1}))
                else:
                    self._quantized("Gemm", inner, output, {"transB": 1})
            case "activation" if step.activation in ("relu", "relu6"):  # the bounds of the quantized range do it
                self._names[-1] = inputs[0]
            case "activation":
                self._activation(step.activation, inputs[0], output)
            case "mean":
                self._quantized("GlobalAveragePool", inputs, output)
            case "max_pool":
                self._quantized("MaxPool", inputs, output, conv_attributes(step))
            case "regroup":
                self._regroup(step, inputs[0], output)
            case "pad":
                self._pad(step, inputs[0], output)
            case _:
                self._quantized({"add": "Add", "mul": "Mul"}[step.kind], inputs, output)

    def _quantized(
        self, kind: str, inputs: list[str], output: str, attributes: dict[str, Attribute] | None = None
    ) -> None:
        """A node whose output is quantized."""
        self.nodes.append(node(kind, inputs, f"{output}_float", attributes))
        self._quantize(f"{output}_float", output)

    def _quantize(self, source: str, output: str) -> None:
        self.nodes.append(node("QuantizeLinear", [source, "scale", "zero_point"], f"{output}_quantized"))
        self.nodes.append(node("DequantizeLinear", [f"{output}_quantized", "scale", "zero_point"], output))

    def _pixels(self, step: Step, output: str) -> None:
        self.nodes.append(node("Transpose", ["source"], f"{output}_planes", {"perm": (0, 3, 1, 2)}))
        self.nodes.append(node("Cast", [f"{output}_planes"], f"{output}_cast", {"to": 1}))
        shape = (1, step.channels, 1, step.input[1])  # one row, which onnxruntime adds faster than three numbers
        self.constants[f"{output}_factor"] = np.full(shape, 1 / 58, np.float32)
        self.constants[f"{output}_offset"] = np.full(shape, -2.1, np.float32)
        self.nodes.append(node("Mul", [f"{output}_cast", f"{output}_factor"], f"{output}_scaled"))
        self.nodes.append(node("Add", [f"{output}_scaled", f"{output}_offset"], f"{output}_float"))
        self._quantize(f"{output}_float", output)

    def _activation(self, name: str, source: str, output: str) -> None:
        """An activation as `edgekit quantize` writes it."""
        if name == "sigmoid":
            self._quantized("Sigmoid", [source], output)
        elif name == "silu":
            self._quantized("Sigmoid", [source], f"{output}_gate")
            self._quantized("Mul", [source, f"{output}_gate"], output)
        else:  # the line x / 6 + 1 / 2, whose bounds are those of the quantized range
            gate = output if name == "hard_sigmoid" else f"{output}_gate"
            self.constants[f"{output}_half"] = np.array(10, self._dtype)
            names = [f"{output}_half", "scale", "zero_point"]
            self.nodes.append(node("DequantizeLinear", names, f"{output}_half_float"))
            self._quantized("Add", [source, f"{output}_half_float"], gate)
            if name == "hard_swish":
                self._quantized("Mul", [source, gate], output)

    def _regroup(self, step: Step, source: str, output: str) -> None:
        self._quantized("Transpose", [source], f"{output}_last", {"perm": (0, 2, 3, 1)})
        self.constants[f"{output}_shape"] = np.array([1, *step.output, step.channels], np.int64)
        self._quantized("Reshape", [f"{output}_last", f"{output}_shape"], f"{output}_shaped")
        self._quantized("Transpose", [f"{output}_shaped"], output, {"perm": (0, 3, 1, 2)})

    def _pad(self, step: Step, source: str, output: str) -> None:
        ints = {"starts": [0, 0], "ends": [2**31, 2**31], "axes": [2, 3], "steps": list(step.stride)}
        for name, values in ints.items():
            self.constants[f"{output}_{name}"] = np.array(values, np.int64)
        self._quantized("Slice", [source, *(f"{output}_{name}" for name in ints)], f"{output}_sliced")
        before = (step.channels - step.in_channels) // 2
        after = step.channels - step.in_channels - before
        self.constants[f"{output}_pads"] = np.array([0, before, 0, 0, 0, after, 0, 0], np.int64)
        self._quantized("Pad", [f"{output}_sliced", f"{output}_pads"], output)

    def _weights(self, step: Step, output: str, shape: tuple[int, ...]) -> list[str]:
        """Weights with a scale for each channel, and a bias, both dequantized."""
        scale = np.full(step.channels, (2 / np.prod(shape[1:])) ** 0.5 / _MAX_WEIGHT, np.float32)
        weights = self._rng.integers(-_MAX_WEIGHT, _MAX_WEIGHT + 1, shape).astype(np.int8)
        names = []
        for part, values, scales in (
            ("weights", weights, scale),
            ("bias", np.full(step.channels, 1, np.int32), scale * np.float32(_SCALE)),
        ):
            name = f"{output}_{part}"
            self.constants |= {
                name: values,
                f"{name}_scale": scales,
                f"{name}_zero": np.zeros(len(scale), values.dtype),
            }
            self.nodes.append(
                node("DequantizeLinear", [name, f"{name}_scale", f"{name}_zero"], f"{name}_float", {"axis": 0})
            )
            names.append(f"{name}_float")
        return names
