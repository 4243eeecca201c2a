"""From a torch module to one .onnx file that takes raw pixels."""

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
from edgekit.errors import EdgekitError, SpecError
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
LEAST_OPSET = 18  # what torch's exporter writes; it converts upwards
# float32 sums of another order: 1e-6 is usual, ten times that in the deepest networks.
TOLERANCE = 1e-4
# Rows of probabilities sum to 1 but for float32's rounding; rows of logits never do so by chance.
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
    """Write `module` as an artifact: uint8 (batch, height, width, channels) `pixels` in, (batch, classes) `logits` out.

    module: float32 (N, C, H, W) normalized by its preprocessing in. It is exported in evaluation mode and left in
    the mode it was in. info: the file's metadata; its parity is measured here. images: the logits are compared on
    these, on synthetic images by default. Raises SpecError for a module that does not return one logit for each label,
    and ParityError if the logits of onnxruntime differ from torch's; then nothing is written.
    """
    require("onnxscript", extra="export")
    newest = onnx.defs.onnx_opset_version()
    if opset not in range(LEAST_OPSET, newest + 1):
        raise SpecError(f"opset must be from {LEAST_OPSET} to {newest}, not {opset!r:.100}")
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
    """With contiguous channel planes, as networks outside of the zoo expect them.

    A permuted view counts as channels last, and for an adaptive pooling of that torch writes a graph that copies value
    by value.
    """

    def _normalized(self, pixels: Tensor) -> Tensor:
        return super()._normalized(pixels).contiguous()


def _uncompiled(module: nn.Module) -> nn.Module:
    """The module that torch.compile was given, if it was; compiling it once more would take minutes."""
    if isinstance(module, torch.jit.ScriptModule):
        raise SpecError("a TorchScript module cannot be exported; give the nn.Module that it was made from")
    inner = getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each part in the mode it was in."""
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _check_outputs(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    """Usual mistakes of a module, in clearer words than the exporter's."""
    if isinstance(network.network, Network):
        network.network.check_input(info.preprocess.crop)
    device = next((p.device for p in network.parameters() if p.device.type != "cpu"), None)
    if device is not None:
        raise SpecError(f"the module lies on {device}; move it by module.cpu()")
    for count in (len(pixels), 1):  # of one image, some modules return no batch
        _check_output(network, info, pixels[:count])


def _check_output(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    expected = (len(pixels), len(info.labels))
    try:
        with torch.inference_mode():
            output = network(torch.from_numpy(pixels.copy()))
    except Exception as error:  # a module raises what it likes
        shape = (len(pixels), info.preprocess.channels, *info.preprocess.crop)
        message = f"the module cannot take float32 {shape}: {_first_line(error)}"
        raise SpecError(f"{message}{_weight_type_hint(network)}") from error
    if not isinstance(output, torch.Tensor) or output.dtype != torch.float32 or tuple(output.shape) != expected:
        raise SpecError(f"the module must answer float32 {expected}, one logit for each label, not {_describe(output)}")
    rows = output.numpy()
    if rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() <= _SUM_TOLERANCE:
        raise SpecError("the module answers probabilities; an artifact holds logits: give it without its softmax")


def _weight_type_hint(network: nn.Module) -> str:
    """A way out, if the weights are of another type than the pixels."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    return "" if dtype is None else f"; its weights are {str(dtype).removeprefix('torch.')}: give module.float()"


def _describe(output: object) -> str:
    if isinstance(output, torch.Tensor):
        return f"{str(output.dtype).removeprefix('torch.')} {tuple(output.shape)}"
    return f"a {type(output).__name__}"


def _export(network: nn.Module, pixels: Pixels, opset: int) -> bytes:
    example = torch.from_numpy(pixels[:2].copy())  # two: the exporter would treat a batch of one as a constant
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
    except Exception as error:  # the exporter raises what its many parts raise
        raise EdgekitError(f"torch cannot export this network: {_first_line(_first_cause(error))}") from error
    assert program is not None  # it is, with dynamo=True
    model = program.model_proto
    written = {entry.domain: entry.version for entry in model.opset_import}.get("")
    if written != opset:  # it exports by one operator set, and what it cannot convert to another it leaves as it is
        raise SpecError(
            f"torch cannot write this network by operator set {opset}, only by {written}; give --opset {written}"
        )
    if last_operator(Graph(model), model.graph.output[0].name) == "Sigmoid":  # not logits, though no row sums to 1
        raise SpecError("the module ends in a sigmoid, each class for itself; an artifact tells one of several")
    return serialized(model)


@contextmanager
def _silenced() -> Iterator[None]:
    """Without the exporter's warnings and traces: deprecations between torch's parts, and whole graphs on stderr."""
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
    """The innermost error: the exporter wraps it in the names of its own steps."""
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
