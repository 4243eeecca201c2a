"""From a torch module or a third-party .onnx file to a finished artifact; each step is compared with its parent.

Importing this package needs the `onnx` extra; `to_onnx` needs torch as well.
"""

from typing import TYPE_CHECKING, Any

from edgekit.optional import require

require("onnx", extra="onnx")

if TYPE_CHECKING:
    from edgekit.export.pipeline import to_onnx as to_onnx

__all__ = ["to_onnx"]


def __getattr__(name: str) -> Any:  # on demand: the rest of this package needs no torch
    if name != "to_onnx":
        raise AttributeError(f"module 'edgekit.export' has no attribute {name!r}")
    for package in ("torch", "onnxscript"):
        require(package, extra="export")
    from edgekit.export.pipeline import to_onnx

    return to_onnx
