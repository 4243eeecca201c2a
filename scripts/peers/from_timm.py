"""Peers of timm: networks by their name and tag, with config.json as timm saves it for the hub."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from peers.torch_networks import export, import_torchvision, reference_logits, seed

# Modes that no published classifier uses, or no small one.
OVERLAYS = {
    "resnet18.border": {"crop_mode": "border"},
    "test_vit.squash": {"crop_mode": "squash", "crop_pct": 1.0},
    "resnet18.landscape": {"input_size": (3, 192, 256)},
}
TORCHSCRIPT = (
    "densenet121.ra_in1k",
    "hrnet_w18_small.gluon_in1k",
    "inception_v3.tv_in1k",
    "mobilenetv3_small_050.lamb_in1k",
    "test_efficientnet.r160_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
)


def make(name: str, folder: Path, photos: list[Path]) -> tuple[npt.NDArray[np.float32], None]:
    """Write model.onnx and config.json to the folder; return the logits of the photographs."""
    import_torchvision()
    import timm
    from PIL import Image
    from timm.models import save_for_hf

    seed(name)
    overlay = OVERLAYS.get(name)
    network = timm.create_model(
        name.partition(".")[0] if overlay else name, pretrained_cfg_overlay=overlay, exportable=True
    ).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    tensors = [transform(Image.open(photo).convert("RGB")) for photo in photos]
    logits = reference_logits(network, network, tensors, classes=network.num_classes)
    save_for_hf(network, folder)
    export(network, folder / "model.onnx", tensors[0][None], torchscript=name in TORCHSCRIPT)
    return logits, None
