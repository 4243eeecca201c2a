"""Fewer nodes, the same answers: onnxsim in a process of its own, because it can crash or never end."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import onnx
from onnx import GraphProto

from edgekit.artifact.info import parse_info, read_model, write_info
from edgekit.dataset import PictureSet
from edgekit.errors import EdgekitError
from edgekit.evaluate.parity import compare, onnx_logits, require_parity
from edgekit.export.parity_inputs import check_pixels
from edgekit.files import sha256
from edgekit.graph.clean import serialized
from edgekit.runtime.child_process import run_python

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

    A result counts only if it answers as its parent does and takes as many pictures at a time (any number, as a rule);
    else the next one is tried, and the parent itself is kept in the end.
    """
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    pixels, origin = check_pixels(info.preprocess, pictures)
    parent = onnx_logits(model, name=os.fspath(source))
    chosen, simplified, figures = "none", model, compare(parent, parent, pixels)
    for tool, program in _SIMPLIFIERS.items():
        try:
            candidate = _run_simplifier(program, model)
            measured = compare(parent, onnx_logits(candidate, name=tool), pixels)
            require_parity(measured, step=tool, tolerance=TOLERANCE)
            _require_same_batch(model, candidate)
        except EdgekitError:
            continue
        chosen, simplified, figures = tool, candidate, measured
        break
    step = {"simplify": figures.to_dict() | {"on": origin, "by": chosen}}
    info = dataclasses.replace(info, parity={**info.parity, **step}, parent_sha256=sha256(model))
    write_info(simplified, info, Path(path))
    return chosen


def told(by: str) -> str:
    """What `simplify` answered, in words."""
    return "not simplified: every simplifier failed or changed it" if by == "none" else f"simplified by {by}"


def _run_simplifier(program: str, model: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(model)
        run_python("-c", program, source, target, timeout_s=TIME_LIMIT_S, folder=Path(folder))
        try:
            return serialized(onnx.load(target))
        except Exception as error:  # it wrote nothing or no model
            raise EdgekitError(f"the simplifier failed: {error}") from None


def _require_same_batch(parent: bytes, child: bytes) -> None:
    batches = [_batches(onnx.load_from_string(model).graph) for model in (parent, child)]
    if batches[0] != batches[1]:
        raise EdgekitError("the simplifier changed the batch size")


def _batches(graph: GraphProto) -> list[int]:
    """How many pictures each input and output holds; 0 where it is any number."""
    return [value.type.tensor_type.shape.dim[0].dim_value for value in (*graph.input, *graph.output)]
