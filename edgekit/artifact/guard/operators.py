"""The operators that are accepted, each with the rule for its output's shape and what it costs.

An operator that is missing here is refused, because nobody knows how long its kernel takes. Add a line for one that a
classifier needs: its shape rule, the units that an element costs (see work_units; measure the worst case), and the rule
for what is not proportional to elements. Those of com.microsoft have that domain in their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgekit.artifact.guard import product_work, shape_rules, window_shapes
from edgekit.artifact.guard.operator_call import OperatorCall, Shape

MICROSOFT = "com.microsoft"


class Operator(NamedTuple):
    """How to compute the cost of a node.

    Attributes:
        shapes: rule for the shapes of its outputs.
        per_element: units for each element of the first input and of the outputs.
        work: rule for the units of everything else; it is given the shape of the first output.
    """

    shapes: Callable[[OperatorCall], Sequence[Shape]]
    per_element: int = 16
    work: Callable[[OperatorCall, Shape], float] | None = None


def _times(factor: int) -> Callable[[OperatorCall, Shape], float]:
    """Units for each element of the windows of a pooling operator."""
    return lambda call, output: factor * window_shapes.window_work(call, output)


def _neighbors(call: OperatorCall, output: Shape) -> float:
    """LRN sums as many channels as its attribute states."""
    return math.prod(output) * abs(call.integer("size", 0))


def _operands(call: OperatorCall, output: Shape) -> float:
    """Of operators with any number of inputs, which are added one after the other."""
    return 16 * math.prod(output) * (len(call.shapes) - 1)


def _updates(call: OperatorCall, _: Shape) -> float:
    units: int = 16 * math.prod(call.shapes[2])
    return units


def _samples(call: OperatorCall, output: Shape) -> float:
    classes: int = call.shapes[0][1]
    return math.prod(output) * (64 + classes)


def _named(names: str, operator: Operator, domain: str = "") -> dict[str, Operator]:
    return {f"{domain}.{name}" if domain else name: operator for name in names.split()}


_SAME, _SAME_SLOW = Operator(shape_rules.same), Operator(shape_rules.same, 64)
_BROADCAST, _BROADCAST_SLOW = Operator(shape_rules.broadcast), Operator(shape_rules.broadcast, 64)
_CONVOLUTION = Operator(window_shapes.convolution, 16, window_shapes.convolution_work)
_PRODUCT = Operator(product_work.matrix_product, 16, product_work.matrix_product_work)
_INTEGER_PRODUCT = Operator(product_work.matrix_product, 16, product_work.matrix_product_integer_work)
_TRANSPOSED_PRODUCT = Operator(product_work.transposed_product, 16, product_work.transposed_product_work)
_SKIP = Operator(shape_rules.same_and_sums, 64)

OPERATORS: dict[str, Operator] = {
    # Elementwise.
    **_named("Abs Ceil Clip CastLike Celu Cos Elu Erf Exp Floor Gelu HardSigmoid HardSwish IsInf IsNaN", _SAME),
    **_named("LeakyRelu Log Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Softsign Sqrt Swish", _SAME),
    **_named("Tanh ThresholdedRelu BitwiseNot QuantizeLinear DequantizeLinear", _SAME),
    **_named("Acos Acosh Asin Asinh Atan Atanh Cosh Mish Sinh Softplus Tan", _SAME_SLOW),
    **_named("Bernoulli RandomNormalLike RandomUniformLike EyeLike", _SAME_SLOW),
    **_named("Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less", _BROADCAST),
    **_named("LessOrEqual Mul Or PRelu Sub Xor", _BROADCAST),
    **_named("Max Mean Min Sum", Operator(shape_rules.broadcast, 16, _operands)),
    **_named("Mod Pow Where", _BROADCAST_SLOW),
    "Cast": Operator(shape_rules.cast),
    "DynamicQuantizeLinear": Operator(shape_rules.same_and_scalars),
    "Dropout": Operator(shape_rules.same_twice),
    # Normalization, and what reads an axis as a whole.
    **_named(
        "BatchNormalization GroupNormalization Hardmax InstanceNormalization LogSoftmax LpNormalization", _SAME_SLOW
    ),
    **_named("LayerNormalization MeanVarianceNormalization RMSNormalization Softmax CumSum Trilu", _SAME_SLOW),
    **_named("SimplifiedLayerNormalization", _SAME_SLOW),
    "LRN": Operator(shape_rules.same, 32, _neighbors),
    **_named("ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd", Operator(shape_rules.reduce)),
    **_named("ReduceSum ReduceSumSquare", Operator(shape_rules.reduce)),
    **_named("ReduceLogSum ReduceLogSumExp", Operator(shape_rules.reduce, 64)),
    **_named("ArgMax ArgMin", Operator(shape_rules.arg)),
    "TopK": Operator(shape_rules.top_k, 256),
    # Moving values.
    **_named("Identity", Operator(shape_rules.same, 1)),
    "Reshape": Operator(shape_rules.reshape, 1),
    "Flatten": Operator(shape_rules.flatten, 1),
    "Squeeze": Operator(shape_rules.squeeze, 1),
    "Unsqueeze": Operator(shape_rules.unsqueeze, 1),
    "Transpose": Operator(shape_rules.transpose),
    "Concat": Operator(shape_rules.concat, 4),
    "Split": Operator(shape_rules.split, 4),
    "Slice": Operator(shape_rules.slice_, 4),
    "Gather": Operator(shape_rules.gather, 32),
    "GatherElements": Operator(shape_rules.same_as_second),
    "GatherND": Operator(shape_rules.gather_slices, 32),
    **_named("ScatterElements ScatterND", Operator(shape_rules.same, 16, _updates)),
    "Expand": Operator(shape_rules.expand),
    "Tile": Operator(shape_rules.tile),
    "Pad": Operator(shape_rules.pad),
    **_named("Resize Upsample", Operator(shape_rules.resize, 160)),
    "DepthToSpace": Operator(shape_rules.depth_to_space),
    "SpaceToDepth": Operator(shape_rules.space_to_depth),
    # Windows.
    **_named("Conv ConvInteger", _CONVOLUTION),
    "QLinearConv": Operator(window_shapes.convolution_quantized, 16, window_shapes.convolution_quantized_work),
    "ConvTranspose": Operator(window_shapes.transposed_convolution, 16, window_shapes.transposed_convolution_work),
    "AveragePool": Operator(window_shapes.window, 16, _times(8)),
    "LpPool": Operator(window_shapes.window, 32, _times(32)),
    "MaxPool": Operator(window_shapes.window, 16, _times(2)),
    **_named("GlobalAveragePool GlobalMaxPool", Operator(window_shapes.global_window)),
    "GlobalLpPool": Operator(window_shapes.global_window, 64),
    # Products.
    "MatMul": _PRODUCT,
    "MatMulInteger": _INTEGER_PRODUCT,
    "QLinearMatMul": Operator(product_work.matrix_product_quantized, 16, product_work.matrix_product_quantized_work),
    "Gemm": Operator(product_work.gemm, 16, product_work.gemm_work),
    "Einsum": Operator(product_work.einsum, 16, product_work.einsum_work),
    "Attention": Operator(product_work.attention, 16, product_work.attention_work),
    **_named("LSTM GRU RNN", Operator(product_work.recurrent, 16, product_work.recurrent_work)),
    # Generators, and sizes.
    "Shape": Operator(shape_rules.shape, 0),
    "Size": Operator(shape_rules.scalar, 0),
    "ConstantOfShape": Operator(shape_rules.from_input),
    **_named("RandomNormal RandomUniform", Operator(shape_rules.from_attribute, 64)),
    "Range": Operator(shape_rules.range_),
    "OneHot": Operator(shape_rules.one_hot),
    "Multinomial": Operator(shape_rules.multinomial, 64, _samples),
    # What ONNX Runtime's own optimizers and quantizers write.
    **_named("BiasGelu FastGelu Gelu QuickGelu QLinearLeakyRelu QLinearSigmoid QLinearSoftmax", _SAME, MICROSOFT),
    **_named("QuantizeLinear DequantizeLinear", _SAME, MICROSOFT),
    **_named("SkipLayerNormalization SkipSimplifiedLayerNormalization", _SKIP, MICROSOFT),
    **_named("QLinearAdd QLinearMul", Operator(shape_rules.broadcast_quantized), MICROSOFT),
    **_named("QLinearConcat", Operator(shape_rules.concat_quantized), MICROSOFT),
    **_named("QLinearReduceMean", Operator(shape_rules.reduce_quantized), MICROSOFT),
    **_named("QLinearAveragePool", Operator(window_shapes.window, 16, _times(8)), MICROSOFT),
    **_named("QLinearGlobalAveragePool", Operator(window_shapes.global_window), MICROSOFT),
    **_named("FusedConv", _CONVOLUTION, MICROSOFT),
    **_named("FusedGemm QGemm", Operator(product_work.gemm, 16, product_work.gemm_work), MICROSOFT),
    **_named("FusedMatMul", _TRANSPOSED_PRODUCT, MICROSOFT),
    **_named("DynamicQuantizeMatMul MatMulIntegerToFloat", _INTEGER_PRODUCT, MICROSOFT),
    **_named("MatMulNBits", Operator(product_work.packed_weight, 16, product_work.packed_weight_work), MICROSOFT),
    **_named("Attention", Operator(product_work.packed_attention, 16, product_work.packed_attention_work), MICROSOFT),
    **_named(
        "MultiHeadAttention", Operator(product_work.multi_head_attention, 16, product_work.attention_work), MICROSOFT
    ),
}
