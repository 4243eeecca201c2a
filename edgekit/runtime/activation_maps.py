"""Class activation maps: which places of an image support a class (Zhou et al. 2016, arXiv 1512.04150).

A network that ends in global average pooling and one linear layer can also return that layer's values at every place of
its last grid: the mean of a class's map over the places is its logit. Such a file has an output `maps`, float32
(N, classes, height, width).
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from edgekit.errors import ArtifactError
from edgekit.image.source import Pixels
from edgekit.runtime.classifier import Classifier

_OUTPUT = "maps"


class ClassMaps:
    """The maps of one model file, if it has them."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._classifier = Classifier(path)

    @property
    def present(self) -> bool:
        """Whether the file has an output with maps."""
        return _OUTPUT in self._classifier.outputs

    def of(self, pixels: Pixels, classes: list[int]) -> npt.NDArray[np.float32]:
        """Maps (len(classes), height, width) for the pixels (height, width, channels) of one image."""
        maps = self._classifier.output(_OUTPUT, pixels[None])
        if maps.ndim != 4 or maps.shape[1] != len(self._classifier.labels):
            raise ArtifactError(f"{self._classifier.name}: its maps are {maps.shape}, not (1, classes, height, width)")
        return np.asarray(maps[0, classes])
