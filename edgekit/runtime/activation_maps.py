"""Class activation maps: which places of an image speak for a class (Zhou et al. 2016, arXiv 1512.04150).

A network that ends in global average pooling and one linear layer can put out, beside the logits, that layer at every
place of its last grid: the mean of a class's map over the places is its logit. Such a file has an output `maps`,
float32 (N, classes, height, width).
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
    """The maps of one model file, where it has them."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._classifier = Classifier(path)

    @property
    def present(self) -> bool:
        """Whether the file puts out maps."""
        return _OUTPUT in self._classifier.outputs

    def of(self, pixels: Pixels, classes: list[int]) -> npt.NDArray[np.float32]:
        """(len(classes), height, width) of one image's pixels (height, width, channels). Raises ArtifactError."""
        maps = self._classifier.output(_OUTPUT, pixels[None])
        if maps.ndim != 4 or maps.shape[1] != len(self._classifier.labels):
            raise ArtifactError(f"{self._classifier.path}: its maps are {maps.shape}, not (1, classes, height, width)")
        return np.asarray(maps[0, classes])
