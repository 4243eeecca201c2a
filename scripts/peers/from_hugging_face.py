"""Peers of transformers: networks from their configurations, with image processors, as save_pretrained writes both."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from peers.torch_networks import export, import_torchvision, reference_logits, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network and an image processor by the names of their classes, and what differs from their defaults."""

    network: str
    processor: str
    config: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    torchscript: bool = False


_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_TINY_TRANSFORMER = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
RECIPES = {
    "resnet": Recipe(
        network="ResNet", processor="ConvNextImageProcessor", values={**_IMAGENET, "size": {"shortest_edge": 224}}
    ),
    "mobilenet_v2": Recipe(network="MobileNetV2", processor="MobileNetV2ImageProcessor", torchscript=True),
    "vit": Recipe(network="ViT", processor="ViTImageProcessor"),
    "convnext": Recipe(network="ConvNext", processor="ConvNextImageProcessor", values=_IMAGENET),
    # torch.onnx.export with dynamo=True fails on its window sizes.
    "swin": Recipe(
        network="Swin", processor="ViTImageProcessor", values={**_IMAGENET, "resample": 3}, torchscript=True
    ),
    "mobilevit": Recipe(
        network="MobileViT", processor="MobileViTImageProcessor", values={"size": {"shortest_edge": 288}}
    ),
    # The defaults of the processor: the crop is larger than the resized image.
    "mobilevit-padded": Recipe(network="MobileViT", processor="MobileViTImageProcessor"),
    "deit": Recipe(network="DeiT", processor="DeiTImageProcessor", config=_TINY_TRANSFORMER),
    "vit-tiny": Recipe(
        network="ViT",
        processor="ViTImageProcessor",
        config={**_TINY_TRANSFORMER, "image_size": 64, "patch_size": 8},
        values={"size": {"height": 64, "width": 64}},
        torchscript=True,
    ),
    "mobilenet_v2-tiny": Recipe(
        network="MobileNetV2",
        processor="MobileNetV2ImageProcessor",
        config={"depth_multiplier": 0.25, "image_size": 96},
        values={"size": {"shortest_edge": 112}, "crop_size": {"height": 96, "width": 96}},
        torchscript=True,
    ),
}


def make(name: str, folder: Path, photos: list[Path]) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Write model.onnx, config.json and preprocessor_config.json; return logits of the photographs, and labels."""
    import_torchvision()
    import transformers
    from PIL import Image

    seed(name)
    recipe = RECIPES[name]
    # Google's MobileNetV2 has a background class, and a name for it.
    labels = {index: f"class {index}" for index in range(1001 if recipe.network == "MobileNetV2" else 1000)}
    config = getattr(transformers, f"{recipe.network}Config")(id2label=labels, **recipe.config)
    network = getattr(transformers, f"{recipe.network}ForImageClassification")(config).eval()
    getattr(transformers, recipe.processor)(**recipe.values).save_pretrained(folder)
    # The other backend, torchvision's, rounds differently: in tall images up to a fifth of the pixels by one level.
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tensors = [processor(Image.open(photo).convert("RGB"), return_tensors="pt")["pixel_values"][0] for photo in photos]
    module = _Logits(network)
    logits = reference_logits(module, module, tensors, classes=len(labels))
    network.save_pretrained(folder)
    export(module, folder / "model.onnx", tensors[0][None], torchscript=recipe.torchscript)
    return logits, tuple(labels.values())


class _Logits(nn.Module):
    """A classifier of transformers that returns a tensor, which is what torch.onnx.export needs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.network(pixel_values=pixel_values).logits
