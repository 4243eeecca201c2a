"""Which values of a graph are certainly floats, inferred from its operators without any shapes.

An integer division ends the process (SIGFPE) if the divisor is 0, or -1 for the smallest integer; a float division
never does. So a division is accepted if its operands are certainly floats.
"""

from __future__ import annotations

from collections.abc import Sequence

# By TensorProto.DataType: float, float16, double, bfloat16.
FLOAT_TYPES = frozenset({1, 10, 11, 16})
# Operators whose output is a float, whatever their inputs are.
_FLOAT_OUTPUT = frozenset(
    {
        *("AveragePool", "BatchNormalization", "Celu", "Conv", "ConvTranspose", "Cos", "DequantizeLinear", "Dropout"),
        *("Elu", "Erf", "Exp", "FusedConv", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization"),
        *("HardSigmoid", "HardSwish", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Log"),
        *("LogSoftmax", "LpNormalization", "LpPool", "Mish", "QuickGelu", "Reciprocal", "RMSNormalization", "Selu"),
        *("Sigmoid", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
    }
)
# Operators whose inputs and output all have the same type.
_SAME_TYPE = frozenset(
    {"Add", "Clip", "Concat", "Div", "Gemm", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "PRelu", "Sub", "Sum"}
)
# Operators whose output has the type of the first input.
_TYPE_OF_FIRST_INPUT = frozenset(
    {
        *("Abs", "Ceil", "Expand", "Flatten", "Floor", "Gather", "Identity", "MaxPool", "Neg", "Pad", "Pow"),
        *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
        *("ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Round", "Sign", "Slice"),
        *("Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    }
)
DIVISIONS = frozenset({"Div", "Mod"})


class KnownFloats:
    """The names of values that are certainly floats. Nodes have to be added in topological order."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str, data_type: int) -> None:
        """Add a value whose type (TensorProto.DataType) is written in the file."""
        if data_type in FLOAT_TYPES:
            self._names.add(name)

    def add_node(self, op_type: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Add the outputs of a node if they are floats. Only Split has several outputs that share one type."""
        deciding = inputs if op_type in _SAME_TYPE else inputs[:1] if op_type in _TYPE_OF_FIRST_INPUT else ()
        if op_type in _FLOAT_OUTPUT or self.includes_any(deciding):
            self._names.update(outputs if op_type == "Split" else outputs[:1])

    def includes_any(self, names: Sequence[str]) -> bool:
        """Return whether any of the values is a float. An empty name is an input that was left out."""
        return any(name in self._names for name in names if name)
