"""Fewer nodes, the same logits: onnxsim in a process of its own, because it can crash or never end."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import onnx
from onnx import GraphProto

from edgekit.artifact.info import parse_info, read_model, write_info
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256
from edgekit.graph.passes.clean import serialized
from edgekit.runtime.child_process import run_python

TIME_LIMIT_S = 600
# Folding constants may move the last bits and nothing more.
TOLERANCE = 1e-5

# Each takes a source and a target path, in a child of this interpreter.
_SIMPLIFIERS = {
    "onnxsim": "import sys, onnx, onnxsim; onnx.save(onnxsim.simplify(sys.argv[1], certify=False)[0], sys.argv[2])",
    "onnxslim": "import sys, onnx, onnxslim; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
}


def simplify(source: str | os.PathLike[str], path: str | os.PathLike[str], *, images: ImageSet | None = None) -> str:
    """Write the simplified artifact to a new path; the simplifier that was used: onnxsim, onnxslim or none.

    A result is used only if its logits and its batch size (any, as a rule) are those of its parent; else the next
    simplifier is tried, and in the end the parent itself is written.
    """
    model = read_model(source)
    info = parse_info(model, name=os.fspath(source))
    pixels, origin = parity_pixels(info.preprocess, images)
    parent = onnx_logits(model, name=os.fspath(source))
    simplifier, simplified, parity = "none", model, measure_parity(parent, parent, pixels)
    for tool, program in _SIMPLIFIERS.items():
        try:
            candidate = _run_simplifier(program, model)
            candidate_parity = measure_parity(parent, onnx_logits(candidate, name=tool), pixels)
            require_parity(candidate_parity, step=tool, tolerance=TOLERANCE)
            _require_same_batch(model, candidate)
        except EdgekitError:
            continue
        simplifier, simplified, parity = tool, candidate, candidate_parity
        break
    measured = {"simplify": parity.to_dict() | {"on": origin, "by": simplifier}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=sha256(model))
    write_info(simplified, info, Path(path))
    return simplifier


def describe_simplifier(simplifier: str) -> str:
    """The result of `simplify` in words."""
    return (
        "not simplified: every simplifier failed or changed it"
        if simplifier == "none"
        else f"simplified by {simplifier}"
    )


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
    batches = [_batch_sizes(onnx.load_from_string(model).graph) for model in (parent, child)]
    if batches[0] != batches[1]:
        raise EdgekitError("the simplifier changed the batch size")


def _batch_sizes(graph: GraphProto) -> list[int]:
    """Of each input and output; 0 if it is any number."""
    return [value.type.tensor_type.shape.dim[0].dim_value for value in (*graph.input, *graph.output)]
