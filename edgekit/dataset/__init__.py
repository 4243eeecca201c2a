"""Images with their classes: image folders, archives of them, MNIST-style idx files, CSV tables.

Torch-free, because evaluation and calibration read the same data as training does.
"""

from edgekit.dataset.image_set import ImageSet as ImageSet
from edgekit.dataset.image_set import Unreadable as Unreadable
from edgekit.dataset.reading import read as read
from edgekit.dataset.reading import read_both as read_both
from edgekit.dataset.reading import read_held_out as read_held_out
from edgekit.dataset.reading import read_images as read_images
from edgekit.dataset.reading import read_unlabeled as read_unlabeled
