"""Reading all images of a data set by split, in whatever state they are: to audit them, not to train on them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from edgekit.dataset.class_checks import check_names
from edgekit.dataset.forms import dataset_root, list_by_truth, list_images, shown_root
from edgekit.dataset.image_set import ImageSet
from edgekit.dataset.reading import class_keys, image_set, is_bare_folder, read_images
from edgekit.errors import DataError, DataWarning, check_types, listed, quote
from edgekit.shards.layout import ShardLayout

ALL = "all"  # the name of the only split of a data set that has none


def read_splits(
    path: str | os.PathLike[str],
    *,
    truth: str | os.PathLike[str] | None = None,
    layout: ShardLayout = ShardLayout(),  # noqa: B008  (frozen)
) -> dict[str, ImageSet]:
    """Read every split of a data set, all with the same classes: those of all images.

    What other functions refuse, because nobody can train on it, is read: a class that only validation images have, or a
    data set with a single class. As everywhere, test images are the val split only if there are no others; a warning
    states if they are left out.

    Args:
        path: a data set as in `read`, or a folder that directly contains images, which then have no classes.
        truth: a CSV table of file,label for the images in the folder `path`.
        layout: as in `read`.

    Returns:
        The images by the name of their split: "train" and "val", or "all" if the data set has no splits.

    Raises:
        DataError: the data set does not exist, has no images, or its layout is not clear.

    Example:
        >>> from edgekit import dataset
        >>> {split: len(images) for split, images in dataset.read_splits("photos").items()}
        {'train': 120, 'val': 120}
    """
    check_types(str | os.PathLike, path=path)
    check_types(str | os.PathLike | None, truth=truth)
    root = dataset_root(path)
    if truth is None and isinstance(root, Path) and is_bare_folder(root):
        return {ALL: read_images(root)}
    listing = list_images(root, ("train", "val", None), layout) if truth is None else list_by_truth(root, Path(truth))
    root = shown_root(root)
    if not listing.entries:
        raise DataError(f"{root}: no images in class folders, no shards, no idx files and no labels.csv")
    if listing.left_out:
        warnings.warn(
            f"{root}: {listed(map(quote, listing.left_out))} is left out, because there is a val split; to check it "
            f"against train, pass a copy of the data without val",
            DataWarning,
            stacklevel=2,
        )
    keys = class_keys(listing, listing.entries)
    splits = {
        split or ALL: image_set(listing, entries, keys)
        for split in ("train", "val", None)
        if (entries := [entry for entry in listing.entries if entry.split == split])
    }
    check_names(root, next(iter(splits.values())).classes)
    return splits
