"""Exports a torch module to one .onnx file whose input is raw pixels."""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import nn

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, SpecError, must_be
from edgekit.evaluate.parity import Parity, onnx_logits, require_parity
from edgekit.export.head_labels import head_labels
from edgekit.export.heads import OutputKind, append_logits, compare_head, read_head
from edgekit.export.module_scores import (
    ScoreNetwork,
    are_named_logits,
    check_module,
    error_line,
    module_scores,
    scores_note,
)
from edgekit.export.parity_inputs import parity_pixels
from edgekit.graph.index import Graph
from edgekit.graph.passes.clean import serialized
from edgekit.graph.passes.lower_versions import lower_versions
from edgekit.image.source import Pixels
from edgekit.optional import require
from edgekit.preprocess.scores import Task

MIN_OPSET = 18  # torch's exporter writes opset 18 and converts it to later ones
# Sums of float32 in a different order: typically 1e-6, ten times that in the deepest networks.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModuleForm:
    """What a module expects and returns.

    Attributes:
        bgr: it expects its channels in BGR order.
        task: "single-label" or "multi-label"; None to detect it.
        output_kind: whether its scores are "logits" or "probabilities"; None to detect it.
    """

    bgr: bool = False
    task: Task | None = None
    output_kind: OutputKind | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TorchExport:
    """The outcome of `from_torch`.

    Attributes:
        info: metadata of the written file.
        parity: the logits of onnxruntime compared with the scores of torch.
        notes: what was detected in the module, one line each.
    """

    info: ArtifactInfo
    parity: Parity
    notes: tuple[str, ...]


def from_torch(
    module: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    form: ModuleForm | None = None,
    opset: int | None = None,
) -> TorchExport:
    """Export a torch module as an edgekit model, not yet simplified.

    The model's input `pixels` is uint8 (batch, height, width, channels), its output `logits` is float32
    (batch, classes). The normalization becomes part of the graph. A softmax or sigmoid at the end is removed, and a
    single score x becomes the logits 0 and x.

    Args:
        module: classifier with a normalized float32 (N, C, H, W) input. It is exported in evaluation mode; the mode of
            each of its parts is restored afterwards.
        info: metadata of the file, with the labels of the module's scores; the labels of the logits, the task and the
            measured parity are added to it.
        path: file to write.
        images: images to compare the logits on (default: synthetic images).
        form: what the module expects and returns (default: RGB channels, and logits for the task in `info`).
        opset: ONNX operator set, 18 or later; by default the lowest that the network needs, for old runtimes.

    Returns:
        The metadata, the logits of onnxruntime compared with those of torch, and what was detected.

    Raises:
        SpecError: the module does not return float32 scores for its labels, or an argument does not fit it.
        ParityError: the logits of onnxruntime and torch differ; nothing is written.
        EdgekitError: torch cannot export the module.
    """
    require("onnxscript", extra="export")
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and opset not in range(MIN_OPSET, newest + 1):
        raise SpecError(must_be("opset", f"an integer from {MIN_OPSET} to {newest}", opset))
    form = form or ModuleForm(task=info.task, output_kind="logits")
    network = ScoreNetwork(_uncompiled(module), mean=info.preprocess.mean, std=info.preprocess.std, bgr=form.bgr)
    pixels, origin = parity_pixels(info.preprocess, images)
    with _evaluation_mode(network):
        pair = np.concatenate([pixels[:1], pixels[-1:]])  # the exporter would treat a batch size of one as a constant
        output = check_module(network, pair)
        scores = module_scores(network, pixels)
        # Reports a wrong number of labels before the export, which takes longer.
        head_labels(info.labels, scores=scores.shape[1], background="none", multi_label=True)
        graph = Graph(_export(network, pair, opset or MIN_OPSET))
    head = read_head(
        graph,
        scores,
        name="the module",
        labels=info.labels,
        task=form.task,
        output_kind=form.output_kind or ("logits" if are_named_logits(output) else None),
        background="none",  # a class of that name is one that the module's author wants
    )
    append_logits(graph, head)
    model = serialized(lower_versions(graph.model) if opset is None else graph.model)
    parity = compare_head(scores, onnx_logits(model, name="the exported model")(pixels), head)
    require_parity(parity, step="exporting to ONNX", tolerance=TOLERANCE)
    measured = {"to_onnx": parity.to_dict() | {"on": origin}}
    info = dataclasses.replace(info, labels=head.labels, task=head.task, parity={**info.parity, **measured})
    write_info(model, info, Path(path))
    note = scores_note(output)
    return TorchExport(info=info, parity=parity, notes=(*([note] if note else []), *head.notes))


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module inside a compiled one; exporting the compiled module would compile it again, which takes minutes."""
    if isinstance(module, torch.jit.ScriptModule):
        raise SpecError("a TorchScript module cannot be exported; pass the nn.Module that it was created from")
    inner = getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Switch the network to evaluation mode, and restore the mode of each part afterwards."""
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _export(network: nn.Module, pixels: Pixels, opset: int) -> ModelProto:
    try:
        # With gradients, the windowed attention of transformers cannot be exported for any number of images.
        with _silenced(), torch.no_grad():
            program = torch.onnx.export(
                network,
                (torch.from_numpy(pixels),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["pixels"],
                output_names=["logits"],
                opset_version=opset,
                verbose=False,
            )
    except Exception as error:  # the exporter's parts raise classes of their own
        raise EdgekitError(f"torch cannot export this network: {error_line(_first_cause(error))}") from error
    assert program is not None  # always true with dynamo=True
    model = program.model_proto
    exported_opset = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if exported_opset != opset:  # the exporter leaves a model unchanged that it cannot convert to another opset
        raise SpecError(
            f"torch cannot convert this network to opset {opset}, only to {exported_opset}; "
            f"set `opset` to {exported_opset}"
        )
    return model


@contextmanager
def _silenced() -> Iterator[None]:
    """Suppress what the exporter prints: deprecation warnings inside torch, and whole graphs on stderr."""
    logs = [logging.getLogger(name) for name in ("torch", "torch.onnx")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _first_cause(error: BaseException) -> BaseException:
    """The innermost error, which the exporter wraps in errors that name its own steps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
