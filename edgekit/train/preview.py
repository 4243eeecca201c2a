"""A contact sheet of the augmented images that a network will see during training."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.dataset import ImageSet
from edgekit.files import write_atomically
from edgekit.image.source import Pixels
from edgekit.train.augmentations.color import ColorAxes
from edgekit.train.epoch_order import epoch_order, shard_numbers
from edgekit.train.feeds import pca_axes, without_mixing
from edgekit.train.loader import evaluation_batches, training_batches
from edgekit.train.recipe import Recipe

_ROWS, _COLUMNS = 8, 8
_GAP = 4
_MIN_SIDE = 64


def write_preview(path: Path, images: ImageSet, recipe: Recipe) -> None:
    """Write a PNG with a row for each of 8 images and a column for each of 8 epochs from the first to the last.

    The images are spread evenly over the set, and so over its classes. If the recipe mixes images, these are mixed with
    one another.

    Args:
        path: the PNG file to write.
        images: images to train on; if there are fewer than 8, all are shown.
        recipe: the recipe; its preprocessing and augmentation matter.

    Raises:
        ImageError: an image cannot be read.
        EdgekitError: the file cannot be written.
    """
    indexes = np.linspace(0, len(images) - 1, min(_ROWS, len(images))).round().astype(int).tolist()
    epochs = np.linspace(0, recipe.optimize.epochs - 1, _COLUMNS).round().astype(int).tolist()
    axes, sample = pca_axes(images, recipe), images.subset(indexes)
    columns = [_column(sample, recipe, epoch, axes) for epoch in epochs]
    data = BytesIO()
    _contact_sheet(columns).save(data, "PNG")
    write_atomically(path, data.getvalue())


def _column(sample: ImageSet, recipe: Recipe, epoch: int, axes: ColorAxes | None) -> Pixels:
    """The images as the network sees them in an epoch; if only the head is trained, the copy that the epoch uses."""
    copies = recipe.augment.feature_copies
    if recipe.tune == "head" and not copies:
        batches = evaluation_batches(sample, recipe.preprocess, batch_size=_ROWS, workers=0)
        return np.concatenate([batch.inputs.numpy() for batch in batches])
    if recipe.tune == "head":
        recipe, epoch = without_mixing(recipe), epoch % copies
    batches = training_batches(sample, recipe, epoch=epoch, workers=0, axes=axes)
    pixels = np.concatenate([batch.inputs.numpy() for batch in batches])
    order = np.concatenate(epoch_order(len(sample), recipe, epoch, shards=shard_numbers(sample)))
    return pixels[np.argsort(order)]


def _contact_sheet(columns: list[Pixels]) -> Image.Image:
    """Place the columns side by side, with small images enlarged."""
    rows = len(columns[0])
    largest = max(max(pixels.shape[1:3]) for pixels in columns)
    scale = max(-(-_MIN_SIDE // largest), 1)
    cell = largest * scale + _GAP
    sheet = Image.new("RGB", (cell * len(columns) + _GAP, cell * rows + _GAP), "gray")
    for column, pixels in enumerate(columns):
        for row, view in enumerate(pixels):
            image = Image.fromarray(view[:, :, 0] if view.shape[2] == 1 else view).convert("RGB")
            enlarged = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (_GAP + column * cell, _GAP + row * cell))
    return sheet
