"""The gate: what a candidate costs in accuracy and gains in speed, on held-out images."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy, class_indexes
from edgekit.evaluate.intervals import Interval, mean_interval
from edgekit.evaluate.parity import Parity, compare_logits, divergence, rounded_up
from edgekit.evaluate.timing import PairedLatency, paired_latency
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, softmax
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import SessionOptions, open_session

THREADS = (1, 2)
# Two runs of one file differ by this much on a shared machine, even measured in turn.
_SPEED_NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a candidate may cost.

    max_drop: accuracy drop in points of top-1, if the images have labels. min_agreement (percent of the images with the
    parent's label) and max_divergence (mean KL divergence of the probabilities, in nats) decide if they have none.
    min_speedup: times as fast as the parent on one thread; 2% are allowed for the noise of measuring.
    """

    max_drop: float = 1.0
    min_speedup: float = 1.0
    min_agreement: float = 95.0
    max_divergence: float = 0.1

    def __post_init__(self) -> None:
        for limit in dataclasses.fields(self):
            if math.isnan(getattr(self, limit.name)):  # which every comparison would let pass
                raise SpecError(f"{limit.name} is not a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutResult:
    """A candidate compared with its parent on the held-out images.

    parent and child: accuracy, None without labels. divergence: mean KL divergence of the probabilities, in nats.
    latencies: against the parent, in the order of THREADS. size_bytes: of the file. memory_bytes: peak of a process
    that predicts with it, None if the system does not report it.
    """

    parent: Accuracy | None
    child: Accuracy | None
    parity: Parity
    divergence: float
    latencies: tuple[PairedLatency, ...]
    size_bytes: int
    memory_bytes: int | None

    @property
    def drop(self) -> float | None:
        """Accuracy drop in points of top-1 (negative if the child is better); None without labels."""
        if self.parent is None or self.child is None:
            return None
        lost = int(_correct(self.parent).sum()) - int(_correct(self.child).sum())
        return 100 * lost / len(self.child.truth)  # from a count: 4 of 400 images are 1 point, and no more

    @property
    def drop_interval(self) -> Interval | None:
        """The drop with its 95% interval, in points, from the images that only one of the two predicted correctly."""
        if self.parent is None or self.child is None:
            return None
        return mean_interval((_correct(self.parent).astype(int) - _correct(self.child)) * 100.0)

    @property
    def speedup(self) -> float:
        """Times as fast as the parent, on one thread."""
        return self.latencies[0].speedup

    def evidence(self) -> dict[str, Any]:
        """What goes into the file: measured on the images, the same on every machine of a kind; no timings."""
        figures, interval = self.parity.to_dict() | {"divergence": rounded_up(self.divergence)}, self.drop_interval
        if self.parent is None or self.child is None or interval is None:
            return figures | {"held_out": self.parity.images}
        return figures | {
            "parent_top1": self.parent.top1,
            "top1": self.child.top1,
            "drop_interval": [round(end, 3) for end in (interval.low, interval.high)],
            "held_out": len(self.child.truth),
        }

    def costs(self) -> dict[str, Any]:
        """What goes beside the file: timings and memory, which differ from run to run."""
        return {
            "latency": self.latencies[0].to_dict(),
            **{f"latency_{latency.threads}_threads": latency.to_dict() for latency in self.latencies[1:]},
            "peak_memory_bytes": self.memory_bytes,
        }


class Failure(NamedTuple):
    """A limit of the gate that a candidate exceeds. excess: points of accuracy, or percent of the speed."""

    message: str
    excess: float


def gate_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    """Every limit that the candidate exceeds."""
    failures = _unlabeled_failures(result, gate) if result.drop is None else _labeled_failures(result, gate)
    if result.speedup < gate.min_speedup * (1 - _SPEED_NOISE):
        message = (
            f"is {result.speedup:.2f} times as fast as its parent here, less than --min-speedup {gate.min_speedup:g}"
        )
        failures.append(Failure(message, 100 * (1 - result.speedup / gate.min_speedup)))
    return failures


def _labeled_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    if result.drop is None or not result.drop > gate.max_drop:
        return []
    before, after = (100 * accuracy.top1 for accuracy in (result.parent, result.child) if accuracy is not None)
    message = (
        f"loses {result.drop:.2f} points of top-1 ({before:.2f}% -> {after:.2f}% on {result.parity.images} held-out "
        f"images), more than --max-drop {gate.max_drop:g}"
    )
    return [Failure(message, result.drop - gate.max_drop)]


def _unlabeled_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    failures = []
    agreement = 100 * result.parity.agreement
    if agreement < gate.min_agreement:
        message = (
            f"gives its parent's label to {agreement:.2f}% of {result.parity.images} held-out images, less than "
            f"--min-agreement {gate.min_agreement:g}"
        )
        failures.append(Failure(message, gate.min_agreement - agreement))
    if not result.divergence <= gate.max_divergence:
        message = (
            f"has probabilities {result.divergence:.3f} nats from its parent's, more than "
            f"--max-divergence {gate.max_divergence:g}"
        )
        failures.append(Failure(message, 100 * (result.divergence - gate.max_divergence)))
    return failures


class HeldOutEvaluator:
    """Compares one candidate after the other with the parent, whose logits it keeps.

    parent: the bytes of the parent's file. on_image is called after each of its predictions.
    """

    def __init__(
        self, parent: bytes, held_out: PixelCache, *, info: ArtifactInfo, on_image: Callable[[], None] = lambda: None
    ) -> None:
        self._parent, self._held_out = parent, held_out
        images = held_out.images
        self._truth = class_indexes(images, info.labels) if images.classes else None
        self._parent_logits = self._logits(parent, info, on_image)

    def evaluate(
        self, candidate: bytes, info: ArtifactInfo, *, on_image: Callable[[], None] = lambda: None
    ) -> HeldOutResult:
        """Everything that the gate needs to know about these bytes. info: the metadata of the candidate's file."""
        logits = self._logits(candidate, info, on_image)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "candidate.onnx")
            write_info(candidate, info, path)
            size, memory = path.stat().st_size, peak_memory_bytes(path)
        pixels = next(iter(self._held_out))
        return HeldOutResult(
            parent=self._accuracy(self._parent_logits),
            child=self._accuracy(logits),
            parity=compare_logits(self._parent_logits, logits),
            divergence=divergence(self._parent_logits, logits),
            latencies=tuple(self._latency(candidate, pixels, threads) for threads in THREADS),
            size_bytes=size,
            memory_bytes=memory,
        )

    def _accuracy(self, logits: Floats) -> Accuracy | None:
        return None if self._truth is None else Accuracy(self._truth, softmax(logits))

    def _logits(self, model: bytes, info: ArtifactInfo, on_image: Callable[[], None]) -> Floats:
        """The logits (N, classes) that an application would get for the held-out images."""
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            write_info(model, info, path)
            with Classifier(path) as classifier:
                for pixels in self._held_out:
                    rows.append(classifier.logits(pixels))
                    on_image()
        return np.concatenate(rows)

    def _latency(self, candidate: bytes, pixels: Pixels, threads: int) -> PairedLatency:
        before, after = (
            open_session(model, name="the model", options=SessionOptions(threads=threads))
            for model in (self._parent, candidate)
        )
        return paired_latency(before, after, pixels, threads=threads)


def _correct(accuracy: Accuracy) -> npt.NDArray[np.bool_]:
    return np.asarray(accuracy.probabilities.argmax(axis=1) == accuracy.truth)
