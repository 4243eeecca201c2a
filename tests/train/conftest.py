"""Small drawn data sets on which a small network learns something within a second."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from made_shards import write_tar
from PIL import Image
from pyarrow import parquet

from edgekit.dataset import ImageSet
from edgekit.image.source import Pixels
from edgekit.shards import ShardReader, find_shards
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe


def draw_bars(count: int, *, seed: int) -> tuple[list[Pixels], list[int]]:
    """28x28 grayscale images with their labels: a bright bar in noise, vertical (0), horizontal (1) or diagonal (2)."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for number in range(count):
        label, at = number % 3, int(rng.integers(8, 20))
        pixels = rng.integers(0, 60, (28, 28))
        if label == 0:
            pixels[4:24, at - 2 : at + 2] += 180
        elif label == 1:
            pixels[at - 2 : at + 2, 4:24] += 180
        else:
            for i in range(4, 24):
                pixels[i, max(i + at - 16, 0) : i + at - 12] += 180
        images.append(pixels.clip(0, 255).astype(np.uint8))
        labels.append(label)
    return images, labels


def bar_images(count: int, *, seed: int) -> ImageSet:
    images, labels = draw_bars(count, seed=seed)
    return ImageSet(("bar", "line", "slant"), images, tuple(map(str, range(count))), tuple(labels))


@pytest.fixture(scope="session")
def training() -> ImageSet:
    return bar_images(90, seed=1)


@pytest.fixture(scope="session")
def validation() -> ImageSet:
    return bar_images(30, seed=2)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as PNG files in train/CLASS/ and val/CLASS/."""
    root = tmp_path_factory.mktemp("bars")
    for split, count, seed in (("train", 90, 1), ("val", 30, 2)):
        for number, (pixels, label) in enumerate(zip(*draw_bars(count, seed=seed), strict=True)):
            folder = root / split / ("bar", "line", "slant")[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return root


@pytest.fixture(scope="session")
def in_shards(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ImageSet]:
    """A function of drawn images, `each` and `kind` that returns the same images in shards."""

    def in_shards(images: ImageSet, *, each: int, kind: str = "tar") -> ImageSet:
        folder = write_shards(tmp_path_factory.mktemp("shards"), images, each=each, kind=kind)
        return read_shards(folder, images.classes)

    return in_shards


def write_shards(folder: Path, images: ImageSet, *, each: int, kind: str = "tar") -> Path:
    """Write the images in order, as PNG files, to shards of `each` images with class names; Parquet: two row groups."""
    for number, first in enumerate(range(0, len(images), each)):
        rows = []
        for index in range(first, min(first + each, len(images))):
            data = io.BytesIO()
            Image.fromarray(images.sources[index]).save(data, "PNG")
            rows.append((f"{index:03}", data.getvalue(), images.classes[images.labels[index]]))
        path = folder / f"train-{number:03}.{kind}"
        if kind == "tar":
            write_tar(path, ((f"{k}.{s}", d) for k, image, c in rows for s, d in (("png", image), ("cls", c.encode()))))
        else:
            table = pyarrow.table(dict(zip(("__key__", "image", "label"), zip(*rows, strict=True), strict=True)))
            parquet.write_table(table, path, row_group_size=-(-len(rows) // 2))
    return folder


def read_shards(folder: Path, classes: tuple[str, ...]) -> ImageSet:
    """All images of the shards in a folder, in order."""
    reader, sources, names, labels = ShardReader(), [], [], []
    for shard in find_shards(str(folder)):
        index = shard.index()
        sources += [index.image(number, reader) for number in range(len(index))]
        names += index.keys
        labels += [classes.index(label) for label in index.labels]
    return ImageSet(classes, sources, tuple(names), tuple(labels))


@pytest.fixture(scope="session")
def image_set() -> Callable[..., ImageSet]:
    """A function of a number and a seed that returns that many drawn images."""
    return bar_images


@pytest.fixture(scope="session")
def lenet_recipe() -> Callable[..., Recipe]:
    """The function small_recipe."""
    return small_recipe


def small_recipe(**changes: object) -> Recipe:
    """A recipe that learns the bars in 3 epochs of 6 steps; changes of a section are merged into its entries."""
    optimize = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, "warmup_epochs": 0.5, "ema_decay": 0.9}
    values: dict[str, object] = {"model": "lenet5", "augment": {"crop_padding": 1}, "optimize": optimize}
    for name, value in changes.items():
        own = values.get(name)
        values[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    return Recipe.from_dict(values)


@pytest.fixture(scope="session")
def weights(tmp_path_factory, lenet_recipe, training, validation):
    """The checkpoint of a LeNet-5 that was trained on the bars."""
    folder = tmp_path_factory.mktemp("parent")
    train(lenet_recipe(optimize={"epochs": 12}), training, validation, run=folder, workers=0)
    return folder / "model.safetensors"


@pytest.fixture
def task(training, validation):
    """Another task on the same images: whether the bar is vertical."""

    def relabeled(images):
        labels = tuple(int(label == 0) for label in images.labels)
        return ImageSet(("no", "yes"), images.sources, images.names, labels)

    return relabeled(training), relabeled(validation)


@pytest.fixture
def tags(training, validation):
    """The same images with several labels each: whether the bar is straight, and whether it is upright."""

    def tagged(images):
        sets = tuple({0: (0, 1), 1: (0,), 2: ()}[label] for label in images.labels)
        return ImageSet(("straight", "upright"), images.sources, images.names, (), sets)

    return tagged(training), tagged(validation)
