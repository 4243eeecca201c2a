"""Fewer nodes, the same answers: onnxsim in a process of its own, because it can crash or never end."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

from edgekit.artifact import parse_info, read_model, write_info
from edgekit.dataset import PictureSet
from edgekit.errors import EdgekitError
from edgekit.export.clean import serialized
from edgekit.export.parity import compare, onnx_logits, require_parity
from edgekit.export.pictures import check_pixels
from edgekit.files import sha256

TIME_LIMIT_S = 600
# Folding constants may move the last bits and nothing more.
TOLERANCE = 1e-5

# Each takes a source and a target path, in a child of this interpreter.
_SIMPLIFIERS = {
    "onnxsim": "import sys, onnx, onnxsim; onnx.save(onnxsim.simplify(sys.argv[1], certify=False)[0], sys.argv[2])",
    "onnxslim": "import sys, onnx, onnxslim; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
}


def simplify(
    source: str | os.PathLike[str], path: str | os.PathLike[str], *, pictures: PictureSet | None = None
) -> str:
    """Write the simplified artifact to a new path, and answer by which means: onnxsim, onnxslim or none.

    A result counts only if it answers as its parent does and still takes any batch; else the next one is tried, and
    the parent itself is kept in the end.
    """
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    pixels, origin = check_pixels(info.preprocess, pictures)
    parent = onnx_logits(model, name=os.fspath(source))
    chosen, simplified, figures = "none", model, compare(parent, parent, pixels)
    for tool, program in _SIMPLIFIERS.items():
        try:
            candidate = _in_child(program, model)
            measured = compare(parent, onnx_logits(candidate, name=tool), pixels)
            require_parity(measured, step=tool, tolerance=TOLERANCE)
            _require_dynamic_batch(candidate)
        except (EdgekitError, onnx.checker.ValidationError):
            continue
        chosen, simplified, figures = tool, candidate, measured
        break
    step = {"simplify": figures.to_dict() | {"on": origin, "by": chosen}}
    info = dataclasses.replace(info, parity={**info.parity, **step}, parent_sha256=sha256(model))
    write_info(simplified, info, Path(path))
    return chosen


def _in_child(program: str, model: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model)
        command = [sys.executable, "-c", program, str(source), str(target)]
        try:
            subprocess.run(command, check=True, timeout=TIME_LIMIT_S, capture_output=True, cwd=folder)
        except (subprocess.SubprocessError, OSError) as error:
            raise EdgekitError(f"the simplifier failed: {error}") from None
        return serialized(onnx.load(target))


def _require_dynamic_batch(model: bytes) -> None:
    graph = onnx.load_from_string(model).graph
    for value in (*graph.input, *graph.output):
        if not value.type.tensor_type.shape.dim[0].dim_param:
            raise EdgekitError("the simplifier fixed the batch size")
