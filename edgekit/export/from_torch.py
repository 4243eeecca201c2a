"""From a torch module to one .onnx file that takes raw pixels."""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgekit.artifact import ArtifactInfo, write_info
from edgekit.dataset import PictureSet
from edgekit.errors import EdgekitError, SpecError
from edgekit.export.clean import serialized
from edgekit.export.parity import Logits, Parity, compare, onnx_logits, require_parity
from edgekit.export.pictures import check_pixels
from edgekit.image import Pixels
from edgekit.optional import require
from edgekit.postprocess import Floats
from edgekit.zoo.network import Network, PixelNetwork

DEFAULT_OPSET = 20
LEAST_OPSET = 18  # what torch's exporter writes; it converts upwards
# float32 sums in another order: 1e-6 is usual, ten times that in the deepest networks.
TOLERANCE = 1e-4
# Rows of probabilities sum to 1 but for float32's rounding; rows of logits do so by no chance.
_SUM_TOLERANCE = 1e-4


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
    if not LEAST_OPSET <= opset <= newest:
        raise SpecError(f"opset must be from {LEAST_OPSET} to {newest}, not {opset}")
    network = _ContiguousPixels(module, mean=info.preprocess.mean, std=info.preprocess.std)
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
    expected = (len(pixels), len(info.labels))
    try:
        with torch.inference_mode():
            answer = network(torch.from_numpy(pixels.copy()))
    except Exception as error:  # a module raises what it likes
        taken = (len(pixels), info.preprocess.channels, *info.preprocess.crop)
        raise SpecError(f"the module cannot take float32 {taken}: {_first_line(error)}") from error
    if not isinstance(answer, torch.Tensor) or answer.dtype != torch.float32 or tuple(answer.shape) != expected:
        raise SpecError(
            f"the module must answer float32 {expected}, one logit for each label, not {_described(answer)}"
        )
    rows = answer.numpy()
    if len(info.labels) > 1 and rows.min() >= 0 and np.abs(rows.sum(axis=1) - 1).max() <= _SUM_TOLERANCE:
        raise SpecError("the module answers probabilities; an artifact holds logits: give it without its softmax")


def _described(answer: object) -> str:
    if isinstance(answer, torch.Tensor):
        return f"{str(answer.dtype).removeprefix('torch.')} {tuple(answer.shape)}"
    return f"a {type(answer).__name__}"


def _exported(network: nn.Module, pixels: Pixels, opset: int) -> bytes:
    example = torch.from_numpy(pixels[:2].copy())  # two: the exporter would take a batch of one for a constant
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations between the exporter and torch's own parts
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
        raise EdgekitError(f"torch cannot export this network: {_first_line(error)}") from error
    finally:
        log.setLevel(level)
    assert program is not None  # it is, with dynamo=True
    made = {entry.domain: entry.version for entry in program.model_proto.opset_import}.get("")
    if made != opset:  # it exports by one operator set, and what it cannot convert to another it leaves as it is
        raise SpecError(f"torch cannot write this network by operator set {opset}, only by {made}; give --opset {made}")
    return serialized(program.model_proto)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _torch_logits(network: nn.Module) -> Logits:
    @torch.inference_mode()
    def logits(pixels: Pixels) -> Floats:
        answer: Floats = network(torch.from_numpy(pixels)).numpy()
        return answer

    return logits
