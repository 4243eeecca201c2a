"""Which values of a graph are floats, as far as its operators tell without knowing any shape.

Division of whole numbers ends the process (SIGFPE) where the divisor is 0, or -1 under the smallest number there is; of
floats it never does. So a division is let through where its operands are floats for certain.
"""

from __future__ import annotations

from collections.abc import Sequence

# By TensorProto.DataType: float, float16, double, bfloat16.
FLOAT_TYPES = frozenset({1, 10, 11, 16})
# What these answer is a float whatever they take.
_ANSWER_FLOATS = frozenset(
    {
        *("AveragePool", "BatchNormalization", "Celu", "Conv", "ConvTranspose", "Cos", "DequantizeLinear", "Dropout"),
        *("Elu", "Erf", "Exp", "FusedConv", "Gelu", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization"),
        *("HardSigmoid", "HardSwish", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Log"),
        *("LogSoftmax", "LpNormalization", "LpPool", "Mish", "QuickGelu", "Reciprocal", "RMSNormalization", "Selu"),
        *("Sigmoid", "Sin", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"),
    }
)
# These take values of one type, and answer it.
_OF_ONE_TYPE = frozenset(
    {"Add", "Clip", "Concat", "Div", "Gemm", "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "PRelu", "Sub", "Sum"}
)
# These answer the type of their first input.
_OF_THE_FIRST = frozenset(
    {
        *(
            "Abs",
            "Ceil",
            "Expand",
            "Flatten",
            "Floor",
            "Gather",
            "Identity",
            "MaxPool",
            "Neg",
            "Pad",
            "Pow",
            "ReduceL1",
        ),
        *("ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"),
        *("ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Round", "Sign", "Slice", "Split", "Squeeze"),
        *("Tile", "Transpose", "Unsqueeze"),
    }
)
DIVISIONS = frozenset({"Div", "Mod"})


class KnownFloats:
    """Names of the values that are floats for certain; nodes are shown to it in topological order."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str, data_type: int) -> None:
        """A value of a type that is written in the file."""
        if data_type in FLOAT_TYPES:
            self._names.add(name)

    def pass_node(self, op_type: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Whether a node's outputs are floats, by its inputs. Of several outputs only Split's are all of one type."""
        deciding = inputs if op_type in _OF_ONE_TYPE else inputs[:1] if op_type in _OF_THE_FIRST else ()
        if op_type in _ANSWER_FLOATS or self.any_of(deciding):
            self._names.update(outputs if op_type == "Split" else outputs[:1])

    def any_of(self, names: Sequence[str]) -> bool:
        """Whether one of the values is a float; an input of no name is one that is left out."""
        return any(name in self._names for name in names if name)
