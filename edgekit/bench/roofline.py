"""The machine's peak multiply-accumulates per second, by a large matrix product with onnxruntime's kernels.

It is measured in float32, and in uint8 x int8, which int8 networks use. The ONNX models are written here, in the
protobuf wire format, without the onnx package.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact.protobuf import delimited, integer
from edgekit.runtime.session import SessionOptions, open_session

_SIDE = 512
MACS = _SIDE**3  # multiply-accumulates of one product
# Processors without VNNI add two products of 255 times a weight in 16 bits: with this bound the sum never saturates.
_MAX_WEIGHT = 64
_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6  # TensorProto.DataType
_IR_VERSION, _OPSET = 10, 20


def matrix_product(*, int8: bool, threads: int) -> Callable[[], object]:
    """Build a function that multiplies two 512x512 matrices once.

    Args:
        int8: multiply uint8 by int8 instead of float32.
        threads: intra-op threads.
    """
    rng = np.random.default_rng(0)
    right = rng.integers(-_MAX_WEIGHT, _MAX_WEIGHT + 1, (_SIDE, _SIDE)).astype(np.int8 if int8 else np.float32)
    left = rng.integers(0, 256, (_SIDE, _SIDE)).astype(np.uint8 if int8 else np.float32)
    session = open_session(_model(right, int8=int8), name="the matrix product", options=SessionOptions(threads=threads))
    return partial(session.run, None, {"left": left})


def _model(right: npt.NDArray[Any], *, int8: bool) -> bytes:
    """An ONNX model of one product with the constant `right`; the field numbers are those of onnx.proto."""
    types = ("MatMulInteger", _UINT8, _INT8, _INT32) if int8 else ("MatMul", _FLOAT, _FLOAT, _FLOAT)
    operator, left_type, right_type, output_type = types
    node = delimited(1, b"left") + delimited(1, b"right") + delimited(2, b"output") + delimited(4, operator.encode())
    dims = b"".join(integer(1, extent) for extent in right.shape)
    constant = dims + integer(2, right_type) + delimited(8, b"right") + delimited(9, right.tobytes())
    graph = delimited(1, node) + delimited(2, b"product") + delimited(5, constant)
    graph += delimited(11, _value_info("left", left_type)) + delimited(12, _value_info("output", output_type))
    return integer(1, _IR_VERSION) + delimited(7, graph) + delimited(8, delimited(1, b"") + integer(2, _OPSET))


def _value_info(name: str, element_type: int) -> bytes:
    side = delimited(1, integer(1, _SIDE))
    tensor = integer(1, element_type) + delimited(2, side + side)
    return delimited(1, name.encode()) + delimited(2, delimited(1, tensor))
