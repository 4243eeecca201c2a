"""Small drawn data sets, on which a small network learns something within a second."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.image.source import Pixels
from edgekit.train.loop import train
from edgekit.train.recipe import Recipe


def drawn(count: int, *, seed: int) -> tuple[list[Pixels], list[int]]:
    """28x28 gray images: a bright bar, upright (0), lying (1) or slanting (2), in noise."""
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


def drawn_set(count: int, *, seed: int) -> ImageSet:
    images, labels = drawn(count, seed=seed)
    return ImageSet(("bar", "line", "slant"), images, tuple(map(str, range(count))), tuple(labels))


@pytest.fixture(scope="session")
def training() -> ImageSet:
    return drawn_set(90, seed=1)


@pytest.fixture(scope="session")
def validation() -> ImageSet:
    return drawn_set(30, seed=2)


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as PNG files in train/CLASS/ and val/CLASS/."""
    root = tmp_path_factory.mktemp("bars")
    for split, count, seed in (("train", 90, 1), ("val", 30, 2)):
        for number, (pixels, label) in enumerate(zip(*drawn(count, seed=seed), strict=True)):
            folder = root / split / ("bar", "line", "slant")[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return root


@pytest.fixture(scope="session")
def image_set() -> Callable[..., ImageSet]:
    """A function: N drawn images, by a seed."""
    return drawn_set


@pytest.fixture(scope="session")
def lenet_recipe() -> Callable[..., Recipe]:
    """A function: small_recipe."""
    return small_recipe


def small_recipe(**changes: object) -> Recipe:
    """A recipe that learns the bars in 3 epochs of 6 steps; `optimize` and `augment` override its own."""
    optimize = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, "warmup_epochs": 0.5, "ema_decay": 0.9}
    values: dict[str, object] = {"model": "lenet5", "augment": {"crop_padding": 1}, "optimize": optimize}
    for name, value in changes.items():
        own = values.get(name)
        values[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    return Recipe.from_dict(values)


@pytest.fixture(scope="session")
def weights(tmp_path_factory, lenet_recipe, training, validation):
    """A LeNet-5 that knows the bars."""
    folder = tmp_path_factory.mktemp("parent")
    train(lenet_recipe(optimize={"epochs": 12}), training, validation, run=folder, workers=0)
    return folder / "model.safetensors"


@pytest.fixture
def task(training, validation):
    """Another task for the same images: is the bar upright?"""

    def relabeled(images):
        labels = tuple(int(label == 0) for label in images.labels)
        return ImageSet(("no", "yes"), images.sources, images.names, labels)

    return relabeled(training), relabeled(validation)
