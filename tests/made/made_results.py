"""Results of quantized models on held-out images, of which only the counts matter."""

import numpy as np

from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.intervals import Flags
from edgekit.evaluate.parity import Parity
from edgekit.evaluate.timing import PairedLatency
from edgekit.quantize.held_out_evaluation import HeldOutResult


def measured_result(images: int, correct: Flags | None, *, speedup: float | None = 2.0, agreement: float = 1.0):
    """A result on images.

    Args:
        images: number of images.
        correct: bool (2, images), which of them the parent and the child predict correctly; None without labels.
        speedup: None if it is not measured.
        agreement: share of the images with the same label.
    """

    def accuracy(flags: np.ndarray) -> Accuracy:
        return Accuracy(np.zeros(images, np.int64), np.stack([flags, ~flags], axis=1).astype(float))

    return HeldOutResult(
        parent=None if correct is None else accuracy(correct[0]),
        child=None if correct is None else accuracy(correct[1]),
        parity=Parity(
            images=images, logit_difference=0, relative_difference=0, probability_difference=0, agreement=agreement
        ),
        divergence=0.01,
        latencies=()
        if speedup is None
        else (PairedLatency(baseline_ms=speedup, other_ms=1.0, speedup=speedup, threads=1),),
        size_bytes=1,
        memory_bytes=None,
    )
