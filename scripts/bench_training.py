"""Compare an epoch of `edgekit train` with the fastest plain torch loop, fine-tuning all of MobileNetV2 at 224 pixels.

    python scripts/bench_training.py IMAGES WEIGHTS [--images 600] [--rounds 3] [--workers 1]

IMAGES is an image folder with train/ and val/, WEIGHTS a MobileNetV2 file that `--weights` accepts. If there are fewer
training images than --images, they are repeated. Three processes train one epoch each, in turn, so that other load on
the machine affects all of them alike:

- edgekit: `train` as users call it, without evaluation;
- edgekit, memory returned: the same without the allocator's settings of edgekit/train/allocator.py;
- plain: a loop over images that were decoded before, with the same augmentation, batches, worker processes, loss and
  optimizer, channels_last. It does neither average weights nor record anything.

After a first epoch that does not count, prints one JSON document: medians over the rounds of the wall, user and system
seconds of an epoch, peak memory, the ratios to plain, and whether both trainings of edgekit ended in the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.files import sha256
from edgekit.image.load import load_image
from edgekit.train.augmentations.augment import augmented
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe
from edgekit.train.setup import initial_state
from edgekit.train.tune import set_training_mode

_BATCH, _RATE = 32, 5e-4
# What makes edgekit leave glibc's thresholds alone; the value sets nothing.
_MEMORY_RETURNED = {"GLIBC_TUNABLES": ""}
_FIGURES = ("wall_s", "user_s", "system_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--loop", choices=("edgekit", "plain"), help="used by this script itself")
    options = parser.parse_args()
    if options.loop is not None:
        run_loop(options)
        return
    contenders = {
        "edgekit": start("edgekit", {}),
        "edgekit, memory returned": start("edgekit", _MEMORY_RETURNED),
        "plain": start("plain", {}),
    }
    epochs: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(1 + options.rounds):
        for name, process in contenders.items():
            epochs[name].append(next_epoch(process))
    weights = {name: finish(process) for name, process in contenders.items()}
    print(json.dumps(report(epochs, weights), indent=2))


def start(loop: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start this script as one of the contenders, which trains an epoch for each line that it reads."""
    command = [sys.executable, __file__, *sys.argv[1:], "--loop", loop]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    return subprocess.Popen(
        command, env=own | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def next_epoch(process: subprocess.Popen[str]) -> dict[str, float]:
    """Let a contender train one epoch; its figures."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    figures: dict[str, float] = json.loads(process.stdout.readline())
    return figures


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a contender; the SHA-256 of its weights."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a contender ended with status {process.returncode}")
    return output.strip()


def report(epochs: dict[str, list[dict[str, float]]], weights: dict[str, str]) -> dict[str, Any]:
    """The medians over all epochs but the first, and of the ratios in each round."""
    figures: dict[str, Any] = {}
    for name, own in epochs.items():
        figures[name] = {key: round(statistics.median(epoch[key] for epoch in own[1:]), 2) for key in _FIGURES}
        figures[name]["peak_memory_mb"] = own[-1]["peak_memory_mb"]
        for key, seconds in (("wall", wall), ("cpu", cpu)):
            pairs = zip(own[1:], epochs["plain"][1:], strict=True)
            ratios = [seconds(epoch) / seconds(plain) for epoch, plain in pairs]
            figures[name][f"{key}_to_plain"] = [round(value, 3) for value in (statistics.median(ratios), *ratios)]
    figures["same_weights"] = weights["edgekit"] == weights["edgekit, memory returned"]
    figures["threads"] = torch.get_num_threads()
    return figures


def wall(epoch: dict[str, float]) -> float:
    return epoch["wall_s"]


def cpu(epoch: dict[str, float]) -> float:
    return epoch["user_s"] + epoch["system_s"]


def run_loop(options: argparse.Namespace) -> None:
    """Be one of the contenders: train an epoch for each line of stdin, and print its figures."""
    training = dataset.read(options.data, "train")
    repeated = np.resize(np.arange(len(training)), options.images).tolist()
    training, validation = training.subset(repeated), dataset.read(options.data, "val").subset(range(2))
    recipe = Recipe.from_dict(
        {
            "model": "mobilenet_v2",
            "arguments": {"padding": "tf_same"},
            "preprocess": {"mean": [0.5], "std": [0.5]},
            "weights": str(options.weights),
            "tune": "full",
            "optimize": {
                "epochs": 1 + options.rounds,
                "batch_size": _BATCH,
                "learning_rate": _RATE,
                "head_start": False,
            },
        }
    )
    loop = train_by_edgekit if options.loop == "edgekit" else train_plainly
    print(loop(recipe, training, validation, workers=options.workers))


class Clock:
    """Measures epochs, each from the moment at which it may begin."""

    def __init__(self) -> None:
        self._wall, self._usage = 0.0, self._used()
        self._end = 0.0

    def wait(self) -> None:
        """Wait for a line on stdin, and start the epoch."""
        sys.stdin.readline()
        self._wall, self._usage = time.perf_counter(), self._used()

    def stop(self) -> None:
        """Note the end of the last step."""
        self._end = time.perf_counter()

    def write(self) -> None:
        """Print the figures of the epoch; its worker processes have ended."""
        user, system = (now - before for now, before in zip(self._used(), self._usage, strict=True))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        figures = {"wall_s": self._end - self._wall, "user_s": user, "system_s": system, "peak_memory_mb": peak}
        print(json.dumps(figures), flush=True)

    @staticmethod
    def _used() -> tuple[float, float]:
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime for usage in usages), sum(usage.ru_stime for usage in usages)


def train_by_edgekit(recipe: Recipe, training: ImageSet, validation: ImageSet, *, workers: int) -> str:
    """Train with edgekit; the SHA-256 of the weights."""
    clock, epochs = Clock(), recipe.optimize.epochs

    def on_step(progress: Any) -> None:
        if progress.step == progress.steps:
            clock.stop()

    def on_epoch(result: Any) -> None:
        clock.write()
        if result.epoch < epochs:
            clock.wait()

    with tempfile.TemporaryDirectory() as folder:
        clock.wait()
        train(
            recipe,
            training,
            validation,
            run=folder,
            workers=workers,
            evaluate_every=epochs,
            on_step=on_step,
            on_epoch=on_epoch,
        )
        return sha256(Path(folder, "model.safetensors").read_bytes())


def train_plainly(recipe: Recipe, training: ImageSet, validation: ImageSet, *, workers: int) -> str:
    """Train with a loop as one writes it for speed."""
    state = initial_state(recipe, training.classes, device="cpu")
    network: nn.Module = state.network
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
    images, clock = _DecodedImages(training, recipe), Clock()
    for _ in range(recipe.optimize.epochs):
        clock.wait()
        set_training_mode(state.network, state.tuning)
        for pixels, labels in _batches(images, workers):
            inputs = pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)  # channels_last, as the weights are
            loss = nn.functional.cross_entropy(network(inputs), labels, label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        clock.stop()
        clock.write()
    return sha256(b"".join(p.detach().numpy().tobytes() for p in network.parameters()))


class _DecodedImages(Dataset[tuple[Tensor, Tensor]]):
    """Augmented batches of images that are decoded only once."""

    def __init__(self, images: ImageSet, recipe: Recipe) -> None:
        self.images, self.recipe = images, recipe
        self.decoded = {source: load_image(source) for source in set(images.sources)}
        self.rng = np.random.default_rng(0)

    def __getitems__(self, indexes: list[int]) -> tuple[Tensor, Tensor]:
        preprocess, augment = self.recipe.preprocess, self.recipe.augment
        pixels = [
            augmented(self.decoded[self.images.sources[index]], preprocess, augment, progress=0, rng=self.rng)
            for index in indexes
        ]
        return torch.from_numpy(np.stack(pixels)), torch.tensor([self.images.labels[index] for index in indexes])

    def __len__(self) -> int:
        return len(self.images)


def _batches(images: _DecodedImages, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    unchanged: Callable[[Any], Any] = lambda batch: batch  # noqa: E731  (workers are forked)
    return iter(DataLoader(images, batch_size=_BATCH, shuffle=True, num_workers=workers, collate_fn=unchanged))


if __name__ == "__main__":
    main()
