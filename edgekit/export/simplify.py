"""Simplifies a graph with onnxsim or onnxslim, each in a child process, because they can crash or hang."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import onnx
from onnx import GraphProto

from edgekit.artifact.info import parse_info, read_model, write_info
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, check_types
from edgekit.evaluate.parity import measure_parity, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256
from edgekit.graph.passes.clean import serialized
from edgekit.runtime.child_process import run_python

TIME_LIMIT_S = 600
# Constant folding may change the last bits only.
TOLERANCE = 1e-5

# Python programs for a child process, which gets the source and the target path as arguments.
_SIMPLIFIERS = {
    "onnxsim": "import sys, onnx, onnxsim; onnx.save(onnxsim.simplify(sys.argv[1], certify=False)[0], sys.argv[2])",
    "onnxslim": "import sys, onnx, onnxslim; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
}


def simplify(source: str | os.PathLike[str], path: str | os.PathLike[str], *, images: ImageSet | None = None) -> str:
    """Simplify an edgekit model.

    The simplifiers are tried in order. The first result with the logits and the batch size of its parent is written; if
    there is none, the parent's graph is written unchanged.

    Args:
        source: edgekit model.
        path: file to write.
        images: images to compare the logits on (default: synthetic images).

    Returns:
        The simplifier that was used: "onnxsim", "onnxslim" or "none".

    Raises:
        ArtifactError: `source` is not an edgekit model, or cannot be run.

    Example:
        >>> from edgekit.export import simplify
        >>> simplify("model.onnx", "simplified.onnx")
        'onnxsim'
    """
    check_types(str | os.PathLike, source=source, path=path)
    check_types(ImageSet | None, images=images)
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
    """Describe the result of `simplify` for a message."""
    return (
        "not simplified: every simplifier failed or changed the model"
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
        except Exception as error:  # it wrote no file, or one that is not a model
            raise EdgekitError(f"the simplifier wrote no valid model: {error}") from None


def _require_same_batch(parent: bytes, child: bytes) -> None:
    batches = [_batch_sizes(onnx.load_from_string(model).graph) for model in (parent, child)]
    if batches[0] != batches[1]:
        raise EdgekitError("the simplifier changed the batch size")


def _batch_sizes(graph: GraphProto) -> list[int]:
    """The batch size of each input and output; 0 if it is dynamic."""
    return [value.type.tensor_type.shape.dim[0].dim_value for value in (*graph.input, *graph.output)]
