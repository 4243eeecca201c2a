"""Class activation maps: which places of an image support a class (Zhou et al. 2016, arXiv 1512.04150).

A network that ends in global average pooling and one linear layer can also return that layer's values at every place of
its last grid: the mean of a class's map over the places is its logit. Such a file has an output `maps`, float32
(N, classes, height, width).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError
from edgekit.image.source import Pixels
from edgekit.runtime.classifier import Classifier

MAPS = "maps"


def has_maps(classifier: Classifier) -> bool:
    """Whether the model file has an output with maps."""
    return MAPS in classifier.outputs


def class_maps(classifier: Classifier, pixels: Pixels, classes: Sequence[int]) -> npt.NDArray[np.float32]:
    """The maps of some classes.

    Args:
        classifier: a model that has maps.
        pixels: uint8 (height, width, channels), the network's input.
        classes: class indexes.

    Returns:
        float32 (len(classes), height, width).

    Raises:
        ArtifactError: the model has no output `maps`, or one of another shape.
    """
    maps = classifier.output(MAPS, pixels[None])
    if maps.ndim != 4 or maps.shape[1] != len(classifier.labels):
        raise ArtifactError(f"{classifier.name}: its maps are {maps.shape}, not (1, classes, height, width)")
    return np.asarray(maps[0, list(classes)])
