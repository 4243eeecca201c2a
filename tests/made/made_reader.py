"""The folder of a reader of the documentation: photos, a model trained on them, the examples."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from made_micro_graphs import write_device
from made_pages import ROOT, shell
from made_shards import write_tar
from PIL import Image, ImageDraw, ImageFilter

from edgekit.hub.model_files import PHOTO_MODEL

CLASSES = ("bolt", "nut", "washer")
_COUNTS = {"train": 40, "val": 40}  # images of each class
TAGS = {"red": (220, 40, 40), "green": (40, 190, 70), "blue": (50, 70, 230)}
_TAGGED = {"train": 200, "val": 200}
# As docs/guides/multi-label.md trains: seconds on two cores.
TAG_TRAINING = "--model resnet20 --resize 32 --epochs 3 --batch-size 16 --learning-rate 0.05"
# As docs/quickstart.md trains: seconds on two cores.
_TRAINING = "--model resnet20 --resize 36 --epochs 6 --batch-size 16 --learning-rate 0.05"

# As transformers describes a network with the preprocessing of that training.
_CONFIG = {
    "architectures": ["ResNetForImageClassification"],
    "id2label": dict(enumerate(CLASSES)),
    "model_type": "resnet",
}
_PROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "size": {"shortest_edge": 36},
    "crop_size": {"height": 32, "width": 32},
    "resample": 2,
    "image_mean": [0.4914, 0.4822, 0.4465],
    "image_std": [0.2470, 0.2435, 0.2616],
}
# The trained network as torch's older exporter writes it: float32 (N, 3, 32, 32), normalized, in; logits out.
_WRITE_PLAIN = """
import torch
from edgekit.train import load_checkpoint
torch.onnx.export(
    load_checkpoint("run/model.safetensors").network(), (torch.zeros(2, 3, 32, 32),), "plain.onnx", dynamo=False,
    input_names=["input"], output_names=["scores"], dynamic_axes={"input": {0: "N"}, "scores": {0: "N"}},
)
"""


def write_readers_folder(folder: Path) -> None:
    """What the pages call yours.

    photos/ (train/CLASS, val/CLASS), shards/ (the same in tar files), camera/ (unlabeled), far/ (CLASS; from a greater
    distance), photo.jpg, model.onnx
    (trained on photos/), plain.onnx with names.txt (the same network as another tool would write it), tools-classifier/
    (the same again, as exported from transformers), shapes/ (images of several colored shapes, with labels.csv),
    two.png (one of them, red and blue), tags.onnx (trained on shapes/), pi.json (as a bench kit writes it on another
    device, with made times), and the repository's examples/. The default model is built into EDGEKIT_HOME, because its
    first use prints a line that the pages leave out.
    """
    rng = np.random.default_rng(0)
    for split, count in _COUNTS.items():
        for kind in CLASSES:
            (folder / "photos" / split / kind).mkdir(parents=True)
            for number in range(count):
                _photo(kind, rng).save(folder / "photos" / split / kind / f"{number:03}.jpg", quality=90)
    write_device(folder / "pi.json")
    _write_shards(folder)
    (folder / "camera").mkdir()
    for number in range(40):
        _photo(CLASSES[number % len(CLASSES)], rng).save(folder / "camera" / f"frame-{number:03}.jpg", quality=90)
    _photo("nut", rng, size=640).save(folder / "photo.jpg", quality=90)
    _write_distant_photos(folder / "far", np.random.default_rng(3))
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    done = shell(f"edgekit pull {PHOTO_MODEL}", folder)
    assert done.returncode == 0, done.stdout
    train = f"edgekit train photos/ {_TRAINING} --run run"
    done = shell(f"{train} && edgekit export run/model.safetensors --images photos/ -o model.onnx", folder)
    assert done.returncode == 0, done.stdout
    done = shell(f"python -W ignore -c '{_WRITE_PLAIN}'", folder)
    assert done.returncode == 0, done.stdout
    (folder / "names.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    (folder / "tools-classifier").mkdir()
    shutil.copy(folder / "plain.onnx", folder / "tools-classifier/model.onnx")
    for name, values in (("config", _CONFIG), ("preprocessor_config", _PROCESSOR)):
        (folder / f"tools-classifier/{name}.json").write_text(json.dumps(values), encoding="utf-8")
    shutil.rmtree(folder / "run")
    write_shapes(folder / "shapes", _TAGGED)
    tagged_image(("red", "blue"), np.random.default_rng(2)).save(folder / "two.png")
    train = f"edgekit train shapes/ {TAG_TRAINING} --run run"
    done = shell(f"{train} && edgekit export run/model.safetensors --images shapes/ -o tags.onnx", folder)
    assert done.returncode == 0, done.stdout
    shutil.rmtree(folder / "run")


def _write_shards(folder: Path) -> None:
    """The photos in tar files in WebDataset's layout: train in one, val in two."""
    for split, shards in (("train", 1), ("val", 2)):
        files = sorted((folder / "photos" / split).glob("*/*.jpg"), key=lambda path: (path.stem, path.parent.name))
        for number in range(shards):
            members = []
            for key, path in enumerate(files[number::shards]):
                members += [(f"{key:04}.jpg", path.read_bytes()), (f"{key:04}.cls", path.parent.name.encode())]
            write_tar(folder / "shards" / f"{split}-{number:03}.tar", members)


def write_shapes(folder: Path, counts: dict[str, int]) -> None:
    """Write images of none to three colored shapes, and labels.csv with the columns file, labels and split."""
    folder.mkdir(parents=True)
    rng, lines = np.random.default_rng(1), ["file,labels,split"]
    for split, count in counts.items():
        for number in range(count):
            tags = [tag for tag in TAGS if rng.random() < 0.4]
            tagged_image(tags, rng).save(folder / f"{split}-{number:03}.png")
            lines.append(f"{split}-{number:03}.png,{'|'.join(tags)},{split}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tagged_image(tags: Sequence[str], rng: np.random.Generator) -> Image.Image:
    """A disk of each color somewhere on a gray background, smaller ones above the larger."""
    image = Image.fromarray(rng.integers(100, 150, (32, 32, 3)).astype(np.uint8))
    for radius, tag in zip((9, 7, 5), rng.permutation(list(tags)), strict=False):
        ImageDraw.Draw(image).circle(rng.integers(8, 24, 2).tolist(), radius, fill=TAGS[tag])
    return image


def _write_distant_photos(folder: Path, rng: np.random.Generator) -> None:
    """100 images of each class, in which everything is 10% to 27% smaller."""
    for kind in CLASSES:
        (folder / kind).mkdir(parents=True)
        for number in range(100):
            photo, size = _photo(kind, rng), int(rng.integers(106, 123))
            image, edge = Image.new("RGB", (size, size), photo.getpixel((0, 0))), (size - photo.width) // 2
            image.paste(photo, (edge, edge))
            image.save(folder / kind / f"{number:03}.jpg", quality=90)


def _photo(kind: str, rng: np.random.Generator, *, size: int = 96) -> Image.Image:
    """A dark bolt, nut or washer somewhere on a bright table."""
    side = 2 * size
    table = tuple(rng.integers(150, 230, 3).tolist())
    image = Image.new("RGB", (side, side), table)
    pen, metal = ImageDraw.Draw(image), (int(rng.integers(40, 110)),) * 3
    x, y = side / 2 + rng.uniform(-0.08, 0.08, 2) * side
    radius, angle = side * rng.uniform(0.25, 0.36), rng.uniform(0, math.tau)
    if kind == "bolt":
        across, down = (1.2 * radius * turn(angle) for turn in (math.cos, math.sin))
        pen.line((x - across, y - down, x + across, y + down), fill=metal, width=int(0.35 * radius))
        pen.polygon(_hexagon(x - across, y - down, 0.42 * radius, angle), fill=metal)
    else:
        if kind == "nut":
            pen.polygon(_hexagon(x, y, radius, angle), fill=metal)
        else:
            pen.circle((x, y), radius, fill=metal)
        pen.circle((x, y), radius * (0.35 if kind == "nut" else 0.7), fill=table)
    smooth = np.asarray(image.filter(ImageFilter.GaussianBlur(1)).resize((size, size)), np.float64)
    return Image.fromarray((smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8))


def _hexagon(x: float, y: float, radius: float, angle: float) -> list[tuple[float, float]]:
    turns = (angle + corner * math.tau / 6 for corner in range(6))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]
