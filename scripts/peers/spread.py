"""How much the logits of random networks must differ from image to image for a comparison to mean something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Mean probability of the top label: what heads are scaled to, and the range in which that of a finished network lies.
PROBABILITY, PROBABILITIES = 0.6, (0.3, 0.9)
LEAST_LABELS = 5  # different top labels over all images
Logits = npt.NDArray[np.floating]


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Logarithms of the probabilities of logits (N, classes)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def scale_to_spread(logits: Logits) -> float:
    """The factor for logits (N, classes) that brings the mean probability of the top label to PROBABILITY."""
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = (low * high) ** 0.5
        below = np.exp(log_softmax(logits * middle).max(axis=1)).mean() < PROBABILITY
        low, high = (middle, high) if below else (low, middle)
    return middle


def check_spread(logits: Logits) -> None:
    """Raise unless the top probabilities and labels of logits (N, classes) make a comparison meaningful."""
    probability = np.exp(log_softmax(logits).max(axis=1)).mean()
    labels = len(np.unique(logits.argmax(axis=1)))
    low, high = PROBABILITIES
    if not low < probability < high or labels < min(LEAST_LABELS, logits.shape[1]):
        raise RuntimeError(f"unfit for a comparison: mean top probability {probability:.2f}, {labels} different labels")
