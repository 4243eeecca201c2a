"""From a torch module to one .onnx file that takes raw pixels."""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from pathlib import Path

import torch
from torch import nn

from edgekit.artifact import ArtifactInfo, write_info
from edgekit.dataset import PictureSet
from edgekit.errors import EdgekitError
from edgekit.export.clean import serialized
from edgekit.export.parity import Logits, Parity, compare, onnx_logits, require_parity
from edgekit.export.pictures import check_pixels
from edgekit.image import Pixels
from edgekit.optional import require
from edgekit.postprocess import Floats
from edgekit.zoo.network import Network, PixelNetwork

DEFAULT_OPSET = 20
# float32 sums in another order: 1e-6 is usual, ten times that in the deepest networks.
TOLERANCE = 1e-4


def to_onnx(
    module: nn.Module,
    info: ArtifactInfo,
    path: str | os.PathLike[str],
    *,
    pictures: PictureSet | None = None,
    opset: int = DEFAULT_OPSET,
) -> Parity:
    """Write `module` as an artifact: uint8 (batch, height, width, channels) `pixels` in, (batch, classes) `logits` out.

    module: takes what its preprocessing normalizes, float32 (N, C, H, W). info: what the file says of itself; its
    parity is measured here. pictures: what the answers are compared on, drawings by default. The module is put into
    evaluation mode. Raises SpecError for an input size that it cannot take, and ParityError where onnxruntime answers
    otherwise than torch; then nothing is written.
    """
    require("onnxscript", extra="export")
    if isinstance(module, Network):  # its own words are better than what the exporter would make of them
        module.check_input(info.preprocess.crop)
    network = PixelNetwork(module, mean=info.preprocess.mean, std=info.preprocess.std).eval()
    pixels, origin = check_pixels(info.preprocess, pictures)
    model = _exported(network, pixels, opset)
    parity = compare(_torch_logits(network), onnx_logits(model, name="the exported model"), pixels)
    require_parity(parity, step="exporting to ONNX", tolerance=TOLERANCE)
    step = {"to_onnx": parity.to_dict() | {"on": origin}}
    write_info(model, dataclasses.replace(info, parity={**info.parity, **step}), Path(path))
    return parity


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
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EdgekitError(f"torch cannot export this network: {lines[0]}") from error
    finally:
        log.setLevel(level)
    assert program is not None  # it is, with dynamo=True
    return serialized(program.model_proto)


def _torch_logits(network: nn.Module) -> Logits:
    @torch.inference_mode()
    def logits(pixels: Pixels) -> Floats:
        answer: Floats = network(torch.from_numpy(pixels)).numpy()
        return answer

    return logits
