"""A contact sheet of what a network will see while it is trained."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.dataset import PictureSet
from edgekit.files import write_atomically
from edgekit.image.source import Pixels
from edgekit.train.augmentations.color import ColorAxes
from edgekit.train.feeds import axes_of, unmixed
from edgekit.train.loader import epoch_order, evaluation_batches, training_batches
from edgekit.train.recipe import Recipe

_ROWS, _COLUMNS = 8, 8
_GAP = 4
_LEAST_SIDE = 64


def write_preview(path: Path, pictures: PictureSet, recipe: Recipe) -> None:
    """A PNG of at most 8 pictures, a row each, as they are in 8 epochs from the first to the last.

    The pictures are spread over the set, and so over its classes; where the recipe mixes, they are mixed among
    themselves.
    """
    chosen = np.linspace(0, len(pictures) - 1, min(_ROWS, len(pictures))).round().astype(int).tolist()
    epochs = np.linspace(0, recipe.optimize.epochs - 1, _COLUMNS).round().astype(int).tolist()
    axes, shown = axes_of(pictures, recipe), pictures.subset(chosen)
    columns = [_column(shown, recipe, epoch, axes) for epoch in epochs]
    data = BytesIO()
    _sheet(columns).save(data, "PNG")
    write_atomically(path, data.getvalue())


def _column(shown: PictureSet, recipe: Recipe, epoch: int, axes: ColorAxes | None) -> Pixels:
    """The pictures as the network sees them in that epoch: for a head alone, the copy whose turn it is."""
    copies = recipe.augment.feature_copies
    if recipe.tune == "head" and not copies:
        batches = evaluation_batches(shown, recipe.preprocess, batch_size=_ROWS, workers=0)
        return np.concatenate([batch.inputs.numpy() for batch in batches])
    if recipe.tune == "head":
        recipe, epoch = unmixed(recipe), epoch % copies
    batches = training_batches(shown, recipe, epoch=epoch, workers=0, axes=axes)
    pixels = np.concatenate([batch.inputs.numpy() for batch in batches])
    order = np.concatenate(epoch_order(len(shown), recipe, epoch))
    return pixels[np.argsort(order)]


def _sheet(columns: list[Pixels]) -> Image.Image:
    """The columns side by side; small pictures enlarged so that a person can see them."""
    rows = len(columns[0])
    largest = max(max(pixels.shape[1:3]) for pixels in columns)
    scale = max(-(-_LEAST_SIDE // largest), 1)
    cell = largest * scale + _GAP
    sheet = Image.new("RGB", (cell * len(columns) + _GAP, cell * rows + _GAP), "gray")
    for column, pixels in enumerate(columns):
        for row, one in enumerate(pixels):
            picture = Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).convert("RGB")
            enlarged = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (_GAP + column * cell, _GAP + row * cell))
    return sheet
