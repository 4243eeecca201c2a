"""Labeled images: image folders, archives of them, MNIST-style idx files, CSV tables.

Needs no torch: evaluation and calibration read the same data as training does.
"""

from typing import TYPE_CHECKING

from edgekit.optional import export_lazily

# The module that defines each public name; they are imported on first use.
_HOMES = {
    "ImageSet": "image_set",
    "Unreadable": "image_set",
    "read": "reading",
    "read_both": "reading",
    "read_held_out": "reading",
    "read_images": "reading",
    "read_splits": "splits",
    "read_unlabeled": "reading",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from edgekit.dataset.image_set import ImageSet as ImageSet
    from edgekit.dataset.image_set import Unreadable as Unreadable
    from edgekit.dataset.reading import read as read
    from edgekit.dataset.reading import read_both as read_both
    from edgekit.dataset.reading import read_held_out as read_held_out
    from edgekit.dataset.reading import read_images as read_images
    from edgekit.dataset.reading import read_unlabeled as read_unlabeled
    from edgekit.dataset.splits import read_splits as read_splits
else:
    export_lazily(__name__, _HOMES)
