"""Which output of a third-party graph is the scores of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, ValueInfoProto

from edgekit.errors import ArtifactError, SpecError, listed, quote, unknown
from edgekit.export.input_layout import describe_all, shape
from edgekit.graph.edit import copied, replace_nodes
from edgekit.graph.index import Graph

Array = npt.NDArray[Any]

_SCORE_TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE})
_MAX_CANDIDATES = 16


def output_candidates(model: ModelProto, requested: str | None) -> tuple[str, ...]:
    """The names of the outputs that may be scores by their declared types and shapes.

    Args:
        model: the graph.
        requested: name of the output that the user chose; None for all that fit.

    Raises:
        SpecError: there is no output of that name.
        ArtifactError: no output fits, or too many.
    """
    outputs = list(model.graph.output)
    names = [value.name for value in outputs]
    if requested is not None:
        if requested not in names:
            raise SpecError(unknown("output", requested, names))
        return (requested,)
    fitting = [value.name for value in outputs if len(outputs) == 1 or _may_be_scores(value)]
    if not fitting:
        raise ArtifactError(f"no output is float (1, classes) (got {describe_all(outputs, 'output')})")
    if len(fitting) > _MAX_CANDIDATES:
        raise SpecError(
            f"{len(fitting)} outputs may be scores ({listed(map(quote, fitting))}); set `output` to one of them"
        )
    return tuple(fitting)


def _may_be_scores(value: ValueInfoProto) -> bool:
    """Whether an output is declared as floats with at most one long axis after the batch."""
    long_axes = [extent for extent in shape(value)[1:] if extent != 1 and extent is not None]
    return value.type.tensor_type.elem_type in _SCORE_TYPES and len(long_axes) <= 1


def is_score(output: Array) -> bool:
    """Whether the output for one image is one number per class: (1, C), (1, C, 1, 1), (1, 1, 1, C), or (1,) for one."""
    is_row = output.shape[:1] == (1,) and output.size == max(output.shape)
    return is_row and output.dtype in (np.float32, np.float16, np.float64)


def choose_output(outputs: Mapping[str, Array], labels: int) -> str:
    """The only output that has one score per label.

    Args:
        outputs: by name, what each candidate is for one image.
        labels: number of class names.

    Raises:
        SpecError: none or several fit.
    """
    scores = {name: output.size for name, output in outputs.items() if is_score(output)}
    # One score more for a background class, and a single score for two classes.
    for classes in ((labels,), (labels + 1,), (1,) if labels <= 2 else ()):
        fitting = [name for name, size in scores.items() if size in classes]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    described = [f"{quote(name)} {output.dtype} {output.shape}" for name, output in outputs.items()]
    raise SpecError(
        f"{'several' if fitting else 'none'} of its outputs have as many scores as there are labels, {labels} "
        f"({listed(described)}); set `output` to the one to use"
    )


def with_output(model: ModelProto, name: str) -> ModelProto:
    """The model with this output only, and only the nodes that it depends on.

    Args:
        model: the graph; not changed.
        name: of one of its outputs.
    """
    if [value.name for value in model.graph.output] == [name]:
        return model
    graph = Graph(copied(model))
    output = next(value for value in graph.proto.output if value.name == name)
    del graph.proto.output[:]
    graph.proto.output.append(output)
    needed, used = {name}, []
    for node in reversed(graph.nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            used.append(node)
    replace_nodes(graph, used[::-1])
    return graph.model
