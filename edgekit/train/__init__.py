"""Training and transfer learning: a recipe and images in, weights out. Needs the extra `train`.

    from edgekit import dataset
    from edgekit.train import Recipe, train

    training, validation = dataset.read_both("photos/")
    recipe = Recipe.from_dict({"model": "mobilenet_v2", "weights": "imagenet", "tune": "head"})
    finished = train(recipe, training, validation, run="runs/first", on_epoch=print)

`edgekit.train.screen_images.screen_images` leaves out what cannot be read, as the command does before it begins.
"""

import importlib
from typing import TYPE_CHECKING, Any

from edgekit.optional import require

if TYPE_CHECKING:
    from edgekit.train.checkpoint import load_checkpoint as load_checkpoint
    from edgekit.train.loop import train as train
    from edgekit.train.recipe import Recipe as Recipe
    from edgekit.train.recipe import read_recipe as read_recipe

# Where each name lives, looked up when it is asked for: the command line reads the settings without torch.
_PUBLIC = {
    "Recipe": "recipe",
    "load_checkpoint": "checkpoint",
    "read_recipe": "recipe",
    "train": "loop",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgekit.train' has no attribute {name!r}")
    for package in ("torch", "safetensors"):
        require(package, extra="train")
    return getattr(importlib.import_module(f"edgekit.train.{_PUBLIC[name]}"), name)
