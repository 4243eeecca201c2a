"""Multi-label models and images for tests: the tiny model, whose four classes are judged one by one."""

from pathlib import Path

import numpy as np
import onnx
from made_models import LABELS, write_tiny

from edgekit import Classifier
from edgekit.dataset import ImageSet
from edgekit.evaluate.predictions import EvaluatedModel

THRESHOLDS = (0.5, 0.3, 0.7, 0.5)


def write_tags(path: Path, model: onnx.ModelProto | None = None, **changes: object) -> Path:
    """Write the model, by default the tiny one, as a multi-label model."""
    return write_tiny(path, model, **{"task": "multi-label", "thresholds": THRESHOLDS} | changes)


def tagged_images(model: Path, count: int, *, wrong: float = 0.1, labels: tuple[str, ...] = LABELS) -> ImageSet:
    """Draw noise images with the labels that the model gives them at 0.5, each flipped with probability `wrong`."""
    rng = np.random.default_rng(3)
    sources = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(count)]
    with Classifier(model) as classifier:
        given = np.stack([classifier.predict(source).probabilities > 0.5 for source in sources])
    truth = given ^ (rng.random(given.shape) < wrong)
    sets = tuple(tuple(np.flatnonzero(row).tolist()) for row in truth)
    return ImageSet(labels, sources, tuple(f"t{n}" for n in range(count)), (), sets)


def evaluated_tags(path: Path, name: str = "tags", crops: str = "center") -> EvaluatedModel:
    """Return the model, opened for an evaluation."""
    return EvaluatedModel(name, path, Classifier(path), crops)
