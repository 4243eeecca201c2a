"""A model in, a model out: to ONNX, simplified, quantized, each step compared with its parent on pictures.

This package is the door to the extras: `onnx` for everything, and torch besides for `to_onnx`.
"""

from edgekit.optional import require

require("onnx", extra="onnx")
