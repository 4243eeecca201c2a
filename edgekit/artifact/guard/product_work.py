"""Shapes and work of operators that multiply matrices: products, attention, recurrent layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgekit.artifact.guard import shape_rules
from edgekit.artifact.guard.operator_call import OperatorCall, Shape, UnknownSizeError
from edgekit.artifact.guard.work_units import PER_CALL, multiply_adds


def matrix_product(call: OperatorCall) -> Sequence[Shape]:
    return (_product_shape(call.shapes[0], call.shapes[1]),)


def matrix_product_quantized(call: OperatorCall) -> Sequence[Shape]:
    return (_product_shape(call.shapes[0], call.shapes[3]),)


def _product_shape(left: Shape, right: Shape) -> Shape:
    """The shape of a matrix product, as numpy's matmul broadcasts it."""
    batch = shape_rules.broadcast_shapes(left[:-2], right[:-2])
    return (*batch, *(left[-2:-1] if len(left) > 1 else ()), *(right[-1:] if len(right) > 1 else ()))


def gemm(call: OperatorCall) -> Sequence[Shape]:
    left, right = _gemm_operands(call)
    return ((left[0], right[1]),)


def _gemm_operands(call: OperatorCall) -> tuple[Shape, Shape]:
    """The shapes of the two factors, after they are transposed."""
    left, right = call.shapes[0], call.shapes[3 if len(call.shapes) > 5 else 1]
    left = left[::-1] if call.integer("transA", 0) else left
    return left, right[::-1] if call.integer("transB", 0) else right


def matrix_product_work(call: OperatorCall, output: Shape) -> float:
    """Of float matrices, or of integers that no fast kernel multiplies."""
    return _product_work(call.shapes[0], call.shapes[1], output, vectorized=call.floats)


def matrix_product_integer_work(call: OperatorCall, output: Shape) -> float:
    return _product_work(call.shapes[0], call.shapes[1], output)


def matrix_product_quantized_work(call: OperatorCall, output: Shape) -> float:
    return _product_work(call.shapes[0], call.shapes[3], output)


def _product_work(left: Shape, right: Shape, output: Shape, *, vectorized: bool = True) -> float:
    """Leading axes are a batch, unless the right factor is a single matrix: they are then rows of the left one."""
    count = math.prod(output) * left[-1]
    height = left[-2] if len(left) > 1 else 1
    if len(right) < 3:
        height, batch = math.prod(left[:-1]), 1
    else:
        batch = math.prod(output[:-2])
    width = right[-1] if len(right) > 1 else 1
    return multiply_adds(count, least_extent=min(height, width), vectorized=vectorized) + PER_CALL * batch


def transposed_product(call: OperatorCall) -> Sequence[Shape]:
    """FusedMatMul of com.microsoft, which may transpose the last two axes of its factors."""
    return (_product_shape(*_transposed(call)),)


def transposed_product_work(call: OperatorCall, output: Shape) -> float:
    return _product_work(*_transposed(call), output, vectorized=call.floats)


def _transposed(call: OperatorCall) -> tuple[Shape, Shape]:
    if call.integer("transBatchA", 0) or call.integer("transBatchB", 0):
        raise UnknownSizeError
    left, right = call.shapes[:2]
    left = (*left[:-2], left[-1], left[-2]) if call.integer("transA", 0) else left
    return left, (*right[:-2], right[-1], right[-2]) if call.integer("transB", 0) else right


def gemm_work(call: OperatorCall, output: Shape) -> float:
    left, _ = _gemm_operands(call)
    quantized = len(call.shapes) > 5
    vectorized = call.floats or quantized
    return multiply_adds(math.prod(output) * left[1], least_extent=min(output), vectorized=vectorized)


def einsum(call: OperatorCall) -> Sequence[Shape]:
    extents, _, output = _einsum_extents(call)
    return (tuple(extents[label] for label in output),)


def einsum_work(call: OperatorCall, _: Shape) -> float:
    """The operands are contracted one after the other, each time at most over all labels."""
    extents, terms, output = _einsum_extents(call)
    batch = math.prod(extents[label] for label in set(output) if all(label in term for term in terms))
    return max(len(terms) - 1, 1) * (2 * math.prod(extents.values()) + PER_CALL * batch)


def _einsum_extents(call: OperatorCall) -> tuple[dict[str, int], list[str], str]:
    """The extent of each label, the labels of each operand, and those of the output."""
    equation = "".join(call.text("equation").split())
    if "." in equation:
        raise UnknownSizeError
    left, arrow, output = equation.partition("->")
    terms, extents = left.split(","), dict[str, int]()
    for term, shape in zip(terms, call.shapes, strict=True):
        for label, extent in zip(term, shape, strict=True):
            extents[label] = max(extent, extents.get(label, 0))
    if not arrow:  # labels that occur once, in alphabetical order
        output = "".join(sorted(label for label in extents if left.count(label) == 1))
    return extents, terms, output


def packed_attention(call: OperatorCall) -> Sequence[Shape]:
    """Attention of com.microsoft: one weight for queries, keys and values."""
    if call.has(4) or "qkv_hidden_sizes" in call.attributes:
        raise UnknownSizeError
    batch, length, _ = call.shapes[0]
    return ((batch, length, call.shapes[1][1] // 3),)


def packed_attention_work(call: OperatorCall, output: Shape) -> float:
    (batch, length, width), weight = call.shapes[0], call.shapes[1]
    return multiply_adds(batch * length * width * weight[1], least_extent=length) + _attention(
        batch, length, length, 2 * output[2], call.positive("num_heads")
    )


def multi_head_attention(call: OperatorCall) -> Sequence[Shape]:
    """MultiHeadAttention of com.microsoft, with separate queries, keys and values (batch, length, width)."""
    if not (call.has(1) and call.has(2)) or any(call.has(index) for index in (6, 7)):
        raise UnknownSizeError
    (batch, length, _), (_, _, width) = call.shapes[0], call.shapes[2]
    return ((batch, length, width),)


def attention(call: OperatorCall) -> Sequence[Shape]:
    """Attention of ONNX: (batch, heads, length, width), or (batch, length, heads x width)."""
    if any(call.has(index) for index in (4, 5)):
        raise UnknownSizeError
    queries, values = call.shapes[0], call.shapes[2]
    if len(queries) == 4:
        return ((*queries[:3], values[3]),)
    return ((*queries[:2], values[2] // call.integer("kv_num_heads", 0) * call.integer("q_num_heads", 0)),)


def attention_work(call: OperatorCall, _: Shape) -> float:
    queries, keys, values = call.shapes[:3]
    heads = queries[1] if len(queries) == 4 else call.positive("num_heads") * call.positive("q_num_heads")
    width = queries[-1] + values[-1]
    width = width * heads if len(queries) == 4 else max(width, 2 * queries[-1])
    return _attention(queries[0], queries[-2], keys[-2], width, heads)


def _attention(batch: int, length: int, keys: int, width: int, heads: int) -> float:
    """Products of `width` for each pair of a query and a key, and their softmax in every head."""
    pairs = batch * length * keys
    narrow = min(length, max(width // 2 // heads, 1))
    return multiply_adds(pairs * width, least_extent=narrow) + 16 * pairs * heads + PER_CALL * batch * heads


def recurrent(call: OperatorCall) -> Sequence[Shape]:
    """All states and the last one; for LSTM also the last cell."""
    first, second, _ = call.shapes[0]
    directions, _, hidden = call.shapes[2]
    if call.integer("layout", 0):
        return ((first, second, directions, hidden), (first, directions, hidden), (first, directions, hidden))
    return ((first, directions, second, hidden), (directions, second, hidden), (directions, second, hidden))


def recurrent_work(call: OperatorCall, _: Shape) -> float:
    """Both weights multiply each step of each sequence."""
    (first, second, _), weight, states = call.shapes[:3]
    units: int = first * second * (math.prod(weight) + math.prod(states) + 8 * PER_CALL * weight[0])
    return units


def packed_weight(call: OperatorCall) -> Sequence[Shape]:
    """MatMulNBits: the weight's size is stated in attributes."""
    return ((*call.shapes[0][:-1], call.integer("N", 0)),)


def packed_weight_work(call: OperatorCall, output: Shape) -> float:
    return multiply_adds(math.prod(output) * call.shapes[0][-1], least_extent=1)
