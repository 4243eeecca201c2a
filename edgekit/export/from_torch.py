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
from edgekit.dataset import PictureSet
from edgekit.errors import EdgekitError, SpecError
from edgekit.evaluate.parity import Logits, Parity, compare, onnx_logits, require_parity
from edgekit.export.parity_inputs import check_pixels
from edgekit.export.wrap_third_party import last_operator
from edgekit.graph.clean import serialized
from edgekit.image.source import Pixels
from edgekit.optional import require
from edgekit.preprocess.scores import Floats
from edgekit.zoo.network import Network, PixelNetwork

DEFAULT_OPSET = 20
LEAST_OPSET = 18  # what torch's exporter writes; it converts upwards
# float32 sums in another order: 1e-6 is usual, ten times that in the deepest networks.
TOLERANCE = 1e-4
# Rows of probabilities sum to 1 but for float32's rounding; rows of logits do so by no chance.
_SUM_TOLERANCE = 1e-4
_TERMINAL_COLORS = re.compile("\x1b\\[[0-9;]*m")


def from_torch(
    module: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    pictures: PictureSet | None = None,
    opset: int = DEFAULT_OPSET,
) -> Parity:
    """Write `module` as an artifact: uint8 (batch, height, width, channels) `pixels` in, (batch, classes) `logits` out.

    module: takes what its preprocessing normalizes, float32 (N, C, H, W). It is exported as it evaluates and left in
    the mode it was in. info: what the file says of itself; its parity is measured here. pictures: what the answers are
    compared on, drawings by default. Raises SpecError for a module that does not answer one logit for each label, and
    ParityError where onnxruntime answers otherwise than torch; then nothing is written.
    """
    require("onnxscript", extra="export")
    newest = onnx.defs.onnx_opset_version()
    if opset not in range(LEAST_OPSET, newest + 1):
        raise SpecError(f"opset must be from {LEAST_OPSET} to {newest}, not {opset!r:.100}")
    network = _ContiguousPixels(_eager(module), mean=info.preprocess.mean, std=info.preprocess.std)
    pixels, origin = check_pixels(info.preprocess, pictures)
    with _evaluating(network):
        _check_answers(network, info, pixels[:2])
        model = _exported(network, pixels, opset)
        parity = compare(_torch_logits(network), onnx_logits(model, name="the exported model"), pixels)
    require_parity(parity, step="exporting to ONNX", tolerance=TOLERANCE)
    step = {"to_onnx": parity.to_dict() | {"on": origin}}
    write_info(model, dataclasses.replace(info, parity={**info.parity, **step}), Path(path))
    return parity


class _ContiguousPixels(PixelNetwork):
    """With the channels' planes one after the other, as networks outside of the zoo expect them.

    Pixels that are only seen in another order of axes count as channels last, and of an adaptive pooling of such torch
    makes a graph that copies value by value.
    """

    def _normalized(self, pixels: Tensor) -> Tensor:
        return super()._normalized(pixels).contiguous()


def _eager(module: nn.Module) -> nn.Module:
    """The module that torch.compile made faster, where it was that; compiling it once more would take minutes."""
    if isinstance(module, torch.jit.ScriptModule):
        raise SpecError("a TorchScript module cannot be exported; give the nn.Module that it was made from")
    inner = getattr(module, "_orig_mod", module)
    return inner if isinstance(inner, nn.Module) else module


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each part in the mode it was in."""
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _check_answers(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    """What a stranger's module may get wrong, in words that are better than the exporter's."""
    if isinstance(network.network, Network):
        network.network.check_input(info.preprocess.crop)
    place = next((p.device for p in network.parameters() if p.device.type != "cpu"), None)
    if place is not None:
        raise SpecError(f"the module lies on {place}; move it by module.cpu()")
    for count in (len(pixels), 1):  # of one picture, some modules answer no batch
        _check_answer(network, info, pixels[:count])


def _check_answer(network: PixelNetwork, info: ArtifactInfo, pixels: Pixels) -> None:
    expected = (len(pixels), len(info.labels))
    try:
        with torch.inference_mode():
            answer = network(torch.from_numpy(pixels.copy()))
    except Exception as error:  # a module raises what it likes
        taken = (len(pixels), info.preprocess.channels, *info.preprocess.crop)
        said = f"the module cannot take float32 {taken}: {_first_line(error)}"
        raise SpecError(f"{said}{_other_weights(network)}") from error
    if not isinstance(answer, torch.Tensor) or answer.dtype != torch.float32 or tuple(answer.shape) != expected:
        raise SpecError(
            f"the module must answer float32 {expected}, one logit for each label, not {_described(answer)}"
        )
    rows = answer.numpy()
    if rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() <= _SUM_TOLERANCE:
        raise SpecError("the module answers probabilities; an artifact holds logits: give it without its softmax")


def _other_weights(network: nn.Module) -> str:
    """A way out, where the weights are of another type than the pixels."""
    other = next((p.dtype for p in network.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    return "" if other is None else f"; its weights are {str(other).removeprefix('torch.')}: give module.float()"


def _described(answer: object) -> str:
    if isinstance(answer, torch.Tensor):
        return f"{str(answer.dtype).removeprefix('torch.')} {tuple(answer.shape)}"
    return f"a {type(answer).__name__}"


def _exported(network: nn.Module, pixels: Pixels, opset: int) -> bytes:
    example = torch.from_numpy(pixels[:2].copy())  # two: the exporter would take a batch of one for a constant
    try:
        with _silence():
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
    made = {entry.domain: entry.version for entry in program.model_proto.opset_import}.get("")
    if made != opset:  # it exports by one operator set, and what it cannot convert to another it leaves as it is
        raise SpecError(f"torch cannot write this network by operator set {opset}, only by {made}; give --opset {made}")
    _check_end(program.model_proto)
    return serialized(program.model_proto)


def _check_end(model: onnx.ModelProto) -> None:
    """Raises SpecError for what is no logit, though its rows do not sum to 1."""
    last = last_operator(model.graph, model.graph.output[0].name)
    if last == "Sigmoid":
        raise SpecError("the module ends in a sigmoid, each class for itself; an artifact tells one of several")


@contextmanager
def _silence() -> Iterator[None]:
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
    """What began it: the exporter wraps it in the names of its own steps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _first_line(error: BaseException) -> str:
    lines = _TERMINAL_COLORS.sub("", str(error)).strip().splitlines()
    return (lines or [type(error).__name__])[0]


def _torch_logits(network: nn.Module) -> Logits:
    @torch.inference_mode()
    def logits(pixels: Pixels) -> Floats:
        answer: Floats = network(torch.from_numpy(pixels)).numpy()
        return answer

    return logits
