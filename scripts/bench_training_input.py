"""Compare how fast training reads an image folder, tar shards and Parquet shards of the same images.

    python scripts/bench_training_input.py FOLDER [--rounds 5] [--shard-size 50] [--together 2] [--workers 1]
        [--cold]

FOLDER has train/CLASS/*.jpg. Its images are written, as they are, to shards of --shard-size images in a temporary
folder. An epoch of augmented 224-pixel batches (random resized crop, horizontal flip) of each is then read in turn,
without a network, in rounds; at most --together shards are shuffled together. With --cold (Linux, as root), the kernel
forgets before each epoch what it has read, as with sets that are larger than memory. Prints one JSON document: images
per second and CPU milliseconds an image (with worker processes), medians over the rounds, and the ratio to the folder.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import pyarrow
from pyarrow import parquet

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.train.loader import training_batches
from edgekit.train.recipe import Recipe

_ROW_GROUP = 25  # images; Hugging Face writes 100, for sets of more images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shard-size", type=int, default=50)
    parser.add_argument("--together", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    images = dataset.read(options.folder, "train")
    recipe = Recipe.from_dict(
        {
            "model": "mobilenet_v2",
            "augment": {"crop_scale": [0.08, 1.0]},
            "optimize": {"batch_size": 32, "shuffle_shards": options.together},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        write_shards(images, Path(folder), shard_size=options.shard_size)
        sets = {"folder": images}
        sets |= {kind: dataset.read(f"{folder}/{kind}", "train") for kind in ("tar", "parquet")}
        epochs: dict[str, list[tuple[float, float]]] = {name: [] for name in sets}
        for number in range(options.rounds):
            for name, input_images in sets.items():
                if options.cold:
                    os.sync()
                    Path("/proc/sys/vm/drop_caches").write_text("3")
                epochs[name].append(measure_epoch(input_images, recipe, epoch=number, workers=options.workers))
    print(json.dumps(report(epochs, images=len(images)), indent=2))


def write_shards(images: ImageSet, folder: Path, *, shard_size: int) -> None:
    """Write the encoded images to tar files in WebDataset's layout, and to Parquet files."""
    for kind in ("tar", "parquet"):
        (folder / kind).mkdir()
    for number, first in enumerate(range(0, len(images), shard_size)):
        rows = [
            (f"{index:06}", Path(str(images.sources[index])).read_bytes(), images.classes[images.labels[index]])
            for index in range(first, min(first + shard_size, len(images)))
        ]
        with tarfile.open(folder / "tar" / f"train-{number:03}.tar", "w") as tar:
            for key, image, label in rows:
                for suffix, data in (("jpg", image), ("cls", label.encode())):
                    info = tarfile.TarInfo(f"{key}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        table = pyarrow.table(dict(zip(("__key__", "image", "label"), zip(*rows, strict=True), strict=True)))
        parquet.write_table(table, folder / "parquet" / f"train-{number:03}.parquet", row_group_size=_ROW_GROUP)


def measure_epoch(images: ImageSet, recipe: Recipe, *, epoch: int, workers: int) -> tuple[float, float]:
    """Wall and CPU seconds of the batches of one epoch."""
    start, cpu_start = time.perf_counter(), cpu_seconds()
    count = sum(len(batch.labels) for batch in training_batches(images, recipe, epoch=epoch, workers=workers))
    assert count == len(images)
    return time.perf_counter() - start, cpu_seconds() - cpu_start


def cpu_seconds() -> float:
    """User and system time of this process and of the worker processes that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def report(epochs: dict[str, list[tuple[float, float]]], *, images: int) -> dict[str, dict[str, float]]:
    """The figures of each kind of input."""
    figures = {}
    for name, times in epochs.items():
        ratios = [base / own for (base, _), (own, _) in zip(epochs["folder"], times, strict=True)]
        cpu_ratios = [own / base for (_, base), (_, own) in zip(epochs["folder"], times, strict=True)]
        figures[name] = {
            "images_per_s": round(images / statistics.median(wall for wall, _ in times), 1),
            "cpu_ms_per_image": round(1000 * statistics.median(cpu for _, cpu in times) / images, 3),
            "throughput_to_folder": round(statistics.median(ratios), 3),
            "cpu_to_folder": round(statistics.median(cpu_ratios), 3),
        }
    return figures


if __name__ == "__main__":
    main()
