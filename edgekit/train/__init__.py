"""Training and transfer learning: a recipe and images in, weights out. Needs the extra `train`.

Example:
    >>> from edgekit import dataset
    >>> from edgekit.train import Recipe, train
    >>> training, validation = dataset.read_both("photos")
    >>> recipe = Recipe.from_dict({"model": "lenet5", "optimize": {"epochs": 1}})
    >>> train(recipe, training, validation, run="runs/first").classes
    ('bolt', 'nut', 'washer')
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name. They are imported on first use: the command line reads the settings without
# torch.
_HOMES = {
    "Checkpoint": "checkpoint",
    "EpochResult": "callbacks",
    "Progress": "callbacks",
    "Recipe": "recipe",
    "ScreenedImages": "screen_images",
    "load_checkpoint": "checkpoint",
    "read_recipe": "recipe",
    "screen_images": "screen_images",
    "train": "loop",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.train.callbacks import EpochResult as EpochResult
    from edgekit.train.callbacks import Progress as Progress
    from edgekit.train.checkpoint import Checkpoint as Checkpoint
    from edgekit.train.checkpoint import load_checkpoint as load_checkpoint
    from edgekit.train.loop import train as train
    from edgekit.train.recipe import Recipe as Recipe
    from edgekit.train.recipe import read_recipe as read_recipe
    from edgekit.train.screen_images import ScreenedImages as ScreenedImages
    from edgekit.train.screen_images import screen_images as screen_images
else:
    export_lazily(__name__, _HOMES, extra="train")
