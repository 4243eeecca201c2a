"""Random torch networks, their export and their logits: what the libraries on torch have in common."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from peers.random_networks import Classify, randomize


def import_torchvision() -> None:
    """Import torchvision beside a torch built without CUDA, where the compiled part of its wheel does not load."""
    global _operators  # has to outlive the import
    _operators = torch.library.Library("torchvision", "FRAGMENT")
    for boxes in ("nms", "qnms"):
        _operators.define(f"{boxes}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401


def seed(name: str) -> None:
    """Seed torch's generator by the name of a peer, so that each is the same in every run."""
    torch.manual_seed(zlib.crc32(name.encode()))


def reference_logits(
    network: nn.Module, classify: Classify, tensors: list[Tensor], *, classes: int
) -> npt.NDArray[np.float32]:
    """Make a network random and return its logits (N, classes), each photograph by itself as users run it."""
    randomize(network, classify, torch.stack(tensors), classes=classes)
    with torch.inference_mode():
        return torch.cat([classify(tensor[None]) for tensor in tensors]).numpy()


def export(network: nn.Module, path: Path, example: Tensor, *, torchscript: bool) -> None:
    """Export by torch's default exporter, which writes weights to a second file, or by TorchScript to a single file."""
    if torchscript:
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        names = {"input_names": ["input"], "output_names": ["output"], "dynamic_axes": axes}
        torch.onnx.export(network, (example,), path, dynamo=False, **names)
    else:
        torch.onnx.export(network, (example,), path, dynamo=True, verbose=False)
