"""Small drawn data sets on which a small network learns something within a second."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.image.source import Pixels
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
