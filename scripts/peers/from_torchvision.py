"""Peers of torchvision: networks by their name, with the transforms of their default weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from peers.catalog import TORCHVISION
from peers.torch_networks import export, import_torchvision, reference_logits, seed

TORCHSCRIPT = (
    "densenet121",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mobilenet_v2",
    "swin_t",
    "vit_b_32",
    "wide_resnet50_2",
)


def make(name: str, folder: Path, photos: list[Path]) -> tuple[npt.NDArray[np.float32], None]:
    """Write model.onnx to the folder; return the logits of the photographs."""
    import_torchvision()
    from PIL import Image
    from torchvision.models import get_model, get_weight

    seed(name)
    # With its published weights, these transform their input once more.
    arguments = {"init_weights": True, "transform_input": True} if name in ("googlenet", "inception_v3") else {}
    network = get_model(name, weights=None, **arguments).eval()
    transform = get_weight(TORCHVISION[name]).transforms()
    tensors = [transform(Image.open(photo).convert("RGB")) for photo in photos]
    logits = reference_logits(network, network, tensors, classes=1000)
    export(network, folder / "model.onnx", tensors[0][None], torchscript=name in TORCHSCRIPT)
    return logits, None
