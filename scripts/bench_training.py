"""Compare training speed with a plain loop of torch and torchvision's transforms, for MobileNetV2 at 224 pixels.

    python scripts/bench_training.py IMAGES WEIGHTS [--rounds 3] [--images 64] [--epochs 20]

IMAGES is an image folder with train/ and val/, WEIGHTS a MobileNetV2 file that load_weights accepts. Both loops use the
same images, augmentation (random resized crop, horizontal flip), batch size, optimizer and number of loader workers, in
turn within one process, so that other load on the machine affects both. Then head tuning with cached features is
compared with running the backbone in every epoch. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import ImageFeed
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build

BATCH, WORKERS = 32, 1
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    training = dataset.read(options.data, "train").sample(options.images, seed=0)
    validation = dataset.read(options.data, "val").sample(options.images // 2, seed=0)
    edgekit_rates, plain_rates = [], []
    for _ in range(options.rounds):
        edgekit_rates.append(edgekit_rate(training, validation))
        plain_rates.append(plain_rate(training))
    report = {
        "images_per_s": {"edgekit": statistics.median(edgekit_rates), "plain": statistics.median(plain_rates)},
        "ratio": statistics.median(a / b for a, b in zip(edgekit_rates, plain_rates, strict=True)),
        "head_tuning": head_tuning(training, validation, options.weights, options.epochs),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(report, indent=2))


def edgekit_rate(training: ImageSet, validation: ImageSet) -> float:
    """Images per second of one epoch of `train` from scratch, without its checkpoint and evaluation."""
    recipe = Recipe.from_dict(
        {
            "model": "mobilenet_v2",
            "augment": {"crop_scale": [0.08, 1.0], "mirror": True},
            "optimize": {"epochs": 1, "batch_size": BATCH, "warmup_epochs": 0, "learning_rate": 0.01},
        }
    )
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            recipe,
            training,
            validation,
            run=Path(folder),
            workers=WORKERS,
            on_step=lambda progress: rates.append(progress.images_per_s),
        )
    return rates[-1]


def plain_rate(training: ImageSet) -> float:
    """Images per second of one epoch of a loop as in a tutorial."""
    network = build("mobilenet_v2", classes=len(training.classes)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(_TorchvisionDataset(training), batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    images, start = 0, time.perf_counter()
    for pixels, labels in loader:
        loss = nn.functional.cross_entropy(network(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        images += len(labels)
    return images / (time.perf_counter() - start)


class _TorchvisionDataset(Dataset[tuple[Tensor, int]]):
    def __init__(self, images: ImageSet) -> None:
        # The compiled part of torchvision's wheel may not load; its transforms only need these two to be declared.
        self.library = torch.library.Library("torchvision", "FRAGMENT")
        if not hasattr(torch.ops.torchvision, "nms"):
            for operator in ("nms", "qnms"):
                self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision import transforms

        self.images = images
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        with Image.open(self.images.sources[index]) as image:  # type: ignore[arg-type]
            return self.transform(image.convert("RGB")), self.images.labels[index]


def head_tuning(training: ImageSet, validation: ImageSet, weights: Path, epochs: int) -> dict[str, float]:
    """Seconds of head tuning, from start to checkpoint, and of as many epochs with the backbone run in each.

    The latter is measured for one epoch, a forward pass over all images, and multiplied by the number of epochs.
    """
    recipe = Recipe.from_dict(
        {
            "model": "mobilenet_v2",
            "arguments": {"padding": "tf_same"},
            "preprocess": {"mean": [0.5], "std": [0.5]},
            "weights": str(weights),
            "tune": "head",
            "optimize": {"epochs": epochs, "batch_size": BATCH},
        }
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, training, validation, run=Path(folder), workers=WORKERS)
    cached_s = time.perf_counter() - start
    backbone_s = epochs * backbone_epoch(training, validation, recipe)
    return {
        "epochs": epochs,
        "cached_s": cached_s,
        "backbone_every_epoch_s": backbone_s,
        "ratio": backbone_s / cached_s,
    }


@torch.inference_mode()
def backbone_epoch(training: ImageSet, validation: ImageSet, recipe: Recipe) -> float:
    """Seconds of a forward pass of all images through the frozen backbone."""
    body = build("mobilenet_v2", **recipe.network_arguments).eval().to(memory_format=torch.channels_last).body
    without_flips = dataclasses.replace(recipe, augment=dataclasses.replace(recipe.augment, mirror=False))
    feed = ImageFeed(training, validation, without_flips, workers=WORKERS, process=TrainingProcess())
    start = time.perf_counter()
    for batch in _all_inputs(feed):
        body(batch.permute(0, 3, 1, 2).float() / 127.5 - 1)
    return time.perf_counter() - start


def _all_inputs(feed: ImageFeed) -> Iterator[Tensor]:
    for batch in feed.training(0, 0):
        yield batch.inputs
    for batch in feed.evaluation():
        yield batch.inputs


if __name__ == "__main__":
    main()
