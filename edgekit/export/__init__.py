"""A model in, a model out: to ONNX, adopted, simplified, quantized, each step compared with its parent on pictures.

This package is the door to the extras: `onnx` for everything, and torch besides for `to_onnx`.
"""

from typing import TYPE_CHECKING, Any

from edgekit.optional import require

require("onnx", extra="onnx")

if TYPE_CHECKING:
    from edgekit.export.pipeline import to_onnx as to_onnx

__all__ = ["to_onnx"]


def __getattr__(name: str) -> Any:  # looked up when asked for: the rest of this package goes without torch
    if name != "to_onnx":
        raise AttributeError(f"module 'edgekit.export' has no attribute {name!r}")
    for package in ("torch", "onnxscript"):
        require(package, extra="export")
    from edgekit.export.pipeline import to_onnx

    return to_onnx
