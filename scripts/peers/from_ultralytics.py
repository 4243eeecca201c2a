"""Peers of Ultralytics: a network from its YAML file, exported with the metadata that its exporter writes."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from peers.random_networks import randomize
from peers.torch_networks import import_torchvision, seed

SIZE = 224  # what its classifiers are trained at; a network from a YAML file does not know that


def make(name: str, folder: Path, photos: list[Path]) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Write model.onnx to the folder; return the logits of the photographs, and the labels."""
    os.environ["YOLO_CONFIG_DIR"] = str(folder.parent)  # otherwise it writes its settings to the home folder
    import_torchvision()
    from PIL import Image
    from ultralytics import YOLO
    from ultralytics.data.augment import classify_transforms

    seed(name)
    model = YOLO(f"{name}.yaml")
    model.model.names = {index: f"class {index}" for index in range(len(model.names))}
    network, transform = model.model.eval(), classify_transforms(SIZE)
    inputs = torch.stack([transform(Image.open(photo).convert("RGB")) for photo in photos])
    randomize(network, lambda inputs: network(inputs)[1], inputs, classes=len(model.names))
    # A prediction has only probabilities, which can be too small for a float32. The hook is copied with the network.
    outputs: list[torch.Tensor] = []
    network.model[-1].linear.register_forward_hook(lambda _, __, output: outputs.append(output))
    logits = []
    for photo in photos:
        model.predict(photo, imgsz=SIZE, verbose=False)
        logits.append(outputs[-1])
    with chdir(folder):
        Path(model.export(format="onnx", imgsz=SIZE)).rename("model.onnx")
    return torch.cat(logits).numpy(), tuple(model.names.values())
