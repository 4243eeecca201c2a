"""Exports a torch module to one .onnx file whose input is raw pixels."""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, SpecError, must_be
from edgekit.evaluate.parity import LogitsFunction, Parity, measure_parity, onnx_logits, require_parity
from edgekit.export.parity_inputs import parity_pixels
from edgekit.export.wrap_third_party import last_operator
from edgekit.graph.index import Graph
from edgekit.graph.passes.clean import serialized
from edgekit.image.source import Pixels
from edgekit.optional import require
from edgekit.preprocess.scores import Floats
from edgekit.zoo.network import Network, PixelNetwork

DEFAULT_OPSET = 20
MIN_OPSET = 18  # torch's exporter writes opset 18 and converts it to later ones
# Sums of float32 in a different order: typically 1e-6, ten times that in the deepest networks.
TOLERANCE = 1e-4
# Rows of probabilities sum to 1 up to float32 rounding; rows of logits never do so by chance.
_SUM_TOLERANCE = 1e-4
_TERMINAL_COLORS = re.compile("\x1b\\[[0-9;]*m")


def from_torch(
    module: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    images: ImageSet | None = None,
    opset: int = DEFAULT_OPSET,
) -> Parity:
    """Export a torch module as an edgekit model, not yet simplified.

    The model's input `pixels` is uint8 (batch, height, width, channels), its output `logits` is float32
    (batch, classes). The normalization becomes part of the graph.

    Args:
        module: classifier with a normalized float32 (N, C, H, W) input. It is exported in evaluation mode; the mode of
            each of its parts is restored afterwards.
        info: metadata of the file; the measured parity is added to it.
        path: file to write.
        images: images to compare the logits on (default: synthetic images).
        opset: ONNX operator set, 18 or later.

    Returns:
        The logits of onnxruntime compared with those of torch.

    Raises:
        SpecError: the module does not return one float32 logit per label, or `opset` is not supported.
        ParityError: the logits of onnxruntime and torch differ; nothing is written.
        EdgekitError: torch cannot export the module.
    """
    require("onnxscript", extra="export")
    newest = onnx.defs.onnx_opset_version()
    if opset not in range(MIN_OPSET, newest + 1):
        raise SpecError(must_be("opset", f"an integer from {MIN_OPSET} to {newest}", opset))
    network = _ContiguousPixels(_uncompiled(module), mean=info.preprocess.mean, std=info.preprocess.std)
    pixels, origin = parity_pixels(info.preprocess, images)
    with _evaluation_mode(network):
        _check_outputs(network, info, pixels[:2])
        model = _export(network, pixels, opset)
        parity = measure_parity(_torch_logits(network), onnx_logits(model, name="the exported model"), pixels)
    require_parity(parity, step="exporting to ONNX", tolerance=TOLERANCE)
    measured = {"to_onnx": parity.to_dict() | {"on": origin}}
    write_info(model, dataclasses.replace(info, parity={**info.parity, **measured}), Path(path))
    return parity


class _ContiguousPixels(PixelNetwork):
    """A PixelNetwork with a contiguous channels-first input, as networks outside the zoo expect.

    torch treats a permuted view as channels-last, and exports an adaptive pooling of that as a graph that copies single
    values.
    """

    def _normalized(self, pixels: Tensor) -> Tensor:
        return super()._normalized(pixels).contiguous()


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


def _check_outputs(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    """Report common mistakes more clearly than the exporter does."""
    if isinstance(network.network, Network):
        network.network.check_input(info.preprocess.crop)
    device = next((p.device for p in network.parameters() if p.device.type != "cpu"), None)
    if device is not None:
        raise SpecError(f"the module must be on the CPU (got {device}); call module.cpu() first")
    for count in (len(pixels), 1):  # some modules drop the batch axis for a single image
        _check_output(network, info, pixels[:count])


def _check_output(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    expected = (len(pixels), len(info.labels))
    try:
        with torch.inference_mode():
            output = network(torch.from_numpy(pixels.copy()))
    except Exception as error:  # a module may raise anything
        shape = (len(pixels), info.preprocess.channels, *info.preprocess.crop)
        message = f"the module does not accept float32 {shape}: {_first_line(error)}"
        raise SpecError(f"{message}{_weight_type_hint(network)}") from error
    if not isinstance(output, torch.Tensor) or output.dtype != torch.float32 or tuple(output.shape) != expected:
        raise SpecError(
            f"the module must return float32 {expected}, one logit for each label (got {_describe(output)})"
        )
    rows = output.numpy()
    if rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() <= _SUM_TOLERANCE:
        raise SpecError("the module returns probabilities, but an edgekit model outputs logits; remove its softmax")


def _weight_type_hint(network: nn.Module) -> str:
    """What to do if the weights are not float32; empty if they are."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    return "" if dtype is None else f"; its weights are {str(dtype).removeprefix('torch.')}, so pass module.float()"


def _describe(output: object) -> str:
    if isinstance(output, torch.Tensor):
        return f"{str(output.dtype).removeprefix('torch.')} {tuple(output.shape)}"
    return f"a {type(output).__name__}"


def _export(network: nn.Module, pixels: Pixels, opset: int) -> bytes:
    example = torch.from_numpy(pixels[:2].copy())  # the exporter would treat a batch size of one as a constant
    try:
        with _silenced():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["pixels"],
                output_names=["logits"],
                opset_version=opset,
                verbose=False,
            )
    except Exception as error:  # the exporter's parts raise classes of their own
        raise EdgekitError(f"torch cannot export this network: {_first_line(_first_cause(error))}") from error
    assert program is not None  # always true with dynamo=True
    model = program.model_proto
    exported_opset = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if exported_opset != opset:  # the exporter leaves a model unchanged that it cannot convert to another opset
        raise SpecError(
            f"torch cannot convert this network to opset {opset}, only to {exported_opset}; "
            f"set `opset` to {exported_opset}"
        )
    if last_operator(Graph(model), model.graph.output[0].name) == "Sigmoid":  # rows that do not sum to 1 pass the check
        raise SpecError(
            "the module ends in a sigmoid, as multi-label models do; edgekit supports single-label classifiers only"
        )
    return serialized(model)


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


def _first_line(error: BaseException) -> str:
    lines = _TERMINAL_COLORS.sub("", str(error)).strip().splitlines()
    return (lines or [type(error).__name__])[0]


def _torch_logits(network: nn.Module) -> LogitsFunction:
    @torch.inference_mode()
    def logits(pixels: Pixels) -> Floats:
        output: Floats = network(torch.from_numpy(pixels)).numpy()
        return output

    return logits
