"""Simplifies a graph with onnxsim or onnxslim, each in a child process, because they can crash or hang."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto

from edgekit.artifact.external_tensors import references
from edgekit.artifact.info import parse_info, read_model, write_info
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, EdgekitError, check_types
from edgekit.evaluate.parity import compare_logits, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.files import sha256
from edgekit.graph.large_weights import completed, parse, with_inputs_as_weights, with_weights_as_inputs, write
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats
from edgekit.runtime.child_process import run_python
from edgekit.stages import StageProgress, no_progress

TIME_LIMIT_S = 600
# Constant folding may change the last bits only.
TOLERANCE = 1e-5

# Python programs for a child process, which gets the source and the target path as arguments.
_SIMPLIFIERS = {
    "onnxsim": "import sys, onnx, onnxsim; onnx.save(onnxsim.simplify(sys.argv[1], certify=False)[0], sys.argv[2])",
    "onnxslim": "import sys, onnx, onnxslim; onnx.save(onnxslim.slim(sys.argv[1]), sys.argv[2])",
}


def simplify(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    progress: StageProgress = no_progress,
) -> str:
    """Simplify an edgekit model.

    The simplifiers are tried in order. The first result with the logits and the batch size of its parent is written; if
    there is none, the parent's graph is written unchanged.

    Args:
        source: edgekit model.
        path: file to write.
        images: images to compare the logits on (default: synthetic images).
        progress: called once with the name of this stage, whose steps are not counted.

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
    progress("simplifying", 0, None)
    name, data = os.fspath(source), read_model(source)
    info = parse_info(data, name=name)
    if references(data):
        raise ArtifactError(f"{name}: an edgekit model contains its weights, but this one refers to other files")
    try:
        model, parent_sha256 = parse(data), sha256(data)
    except Exception as error:  # protobuf's own class
        raise ArtifactError(f"{name}: not a valid ONNX file: {error}") from None
    del data  # the simplifier does not need the large weights, and onnxruntime needs memory for its own
    pixels, origin = parity_pixels(info.preprocess, images)
    expected = onnx_logits(Path(source), name=name)(pixels)
    simplifier, simplified, parity = "none", model, compare_logits(expected, expected, scoring=info.scoring)
    for tool, program in _SIMPLIFIERS.items():
        try:
            candidate = _run_simplifier(program, model)
            logits = _logits(candidate, source, pixels, name=tool)
            candidate_parity = compare_logits(expected, logits, scoring=info.scoring)
            require_parity(candidate_parity, step=tool, tolerance=TOLERANCE)
            _require_same_batch(model, candidate)
        except EdgekitError:
            continue
        simplifier, simplified, parity = tool, candidate, candidate_parity
        break
    measured = {"simplify": parity.to_dict() | {"on": origin, "by": simplifier}}
    info = dataclasses.replace(info, parity={**info.parity, **measured}, parent_sha256=parent_sha256)
    data = read_model(source)
    write_info(data if simplifier == "none" else completed(simplified, data), info, path)
    return simplifier


def describe_simplifier(simplifier: str) -> str:
    """Describe the result of `simplify` for a message."""
    return (
        "not simplified: every simplifier failed or changed the model"
        if simplifier == "none"
        else f"simplified by {simplifier}"
    )


def _run_simplifier(program: str, model: ModelProto) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        source.write_bytes(with_weights_as_inputs(model).SerializeToString(deterministic=True))
        run_python("-c", program, source, target, timeout_s=TIME_LIMIT_S, folder=Path(folder))
        try:
            simplified = onnx.load(target)
            onnx.checker.check_model(simplified)
        except Exception as error:  # it wrote no file, or one that is not a model
            raise EdgekitError(f"the simplifier wrote no valid model: {error}") from None
    return with_inputs_as_weights(simplified, model)


def _logits(model: ModelProto, source: str | os.PathLike[str], pixels: Pixels, *, name: str) -> Floats:
    """The logits of a model whose large weights are in the source."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "simplified.onnx")
        write(model, read_model(source), path)
        return onnx_logits(path, name=name)(pixels)


def _require_same_batch(parent: ModelProto, child: ModelProto) -> None:
    batches = [_batch_sizes(model.graph) for model in (parent, child)]
    if batches[0] != batches[1]:
        raise EdgekitError("the simplifier changed the batch size")


def _batch_sizes(graph: GraphProto) -> list[int]:
    """The batch size of each input and output; 0 if it is dynamic."""
    return [value.type.tensor_type.shape.dim[0].dim_value for value in (*graph.input, *graph.output)]
