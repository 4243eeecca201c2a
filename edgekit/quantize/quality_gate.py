"""The gate: what a candidate costs in accuracy and gains in speed, on pictures that it was not made with."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.artifact.info import ArtifactInfo, write_info
from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError
from edgekit.evaluate.accuracy import Accuracy, matched_labels
from edgekit.evaluate.intervals import Interval, mean_interval
from edgekit.evaluate.parity import Parity, compare_logits, rounded_up
from edgekit.evaluate.timing import PairedLatency, paired_latency
from edgekit.image.source import Pixels
from edgekit.preprocess.scores import Floats, softmax
from edgekit.quantize.pixel_cache import PixelStore
from edgekit.quantize.sensitivity import divergence
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.session import SessionOptions, open_session

THREADS = (1, 2)
# Two runs of one file differ by this much on a shared machine, even measured in turn.
_SPEED_NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a candidate may cost.

    max_drop: points of top-1 lost, where the pictures have labels. min_agreement (percent of the pictures with the
    parent's label) and max_divergence (mean KL divergence of the probabilities, in nats) decide where they have none.
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
class Judgement:
    """What was measured of a candidate and its parent on the held-out pictures.

    parent and child: accuracy, None without labels. divergence: mean KL divergence of the probabilities, in nats.
    latencies: against the parent, in the order of THREADS. size_bytes: of the file. memory_bytes: peak of a process
    that predicts with it, None where the system does not say.
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
        """Points of top-1 lost (negative where the child is better); None without labels."""
        if self.parent is None or self.child is None:
            return None
        lost = int(_right(self.parent).sum()) - int(_right(self.child).sum())
        return 100 * lost / len(self.child.truth)  # of whole pictures: 4 of 400 are 1 point, and no more

    @property
    def drop_interval(self) -> Interval | None:
        """The drop with its 95% interval, in points, from the pictures that only one of the two got right."""
        if self.parent is None or self.child is None:
            return None
        return mean_interval((_right(self.parent).astype(int) - _right(self.child)) * 100.0)

    @property
    def speedup(self) -> float:
        """Times as fast as the parent, on one thread."""
        return self.latencies[0].speedup

    def evidence(self) -> dict[str, Any]:
        """What goes into the file: measured on the pictures, the same on every machine of a kind; no timings."""
        figures, interval = self.parity.to_dict() | {"divergence": rounded_up(self.divergence)}, self.drop_interval
        if self.parent is None or self.child is None or interval is None:
            return figures | {"held_out": self.parity.pictures}
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


def misses(judgement: Judgement, gate: Gate) -> list[tuple[str, float]]:
    """Every limit that is passed: what to say of it, and by how much (points of the answers, percent of the speed)."""
    found = []
    drop, pictures = judgement.drop, judgement.parity.pictures
    if drop is not None and drop > gate.max_drop:
        before, after = (100 * a.top1 for a in (judgement.parent, judgement.child) if a is not None)
        said = f"loses {drop:.2f} points of top-1 ({before:.2f}% -> {after:.2f}% on {pictures} held-out pictures)"
        found.append((f"{said}, more than --max-drop {gate.max_drop:g}", drop - gate.max_drop))
    if drop is None:
        found += _unlabelled_misses(judgement, gate)
    if judgement.speedup < gate.min_speedup * (1 - _SPEED_NOISE):
        said = f"is {judgement.speedup:.2f} times as fast as its parent here, less than --min-speedup "
        shortfall = 100 * (1 - judgement.speedup / gate.min_speedup)
        found.append((f"{said}{gate.min_speedup:g}", shortfall))
    return found


def _unlabelled_misses(judgement: Judgement, gate: Gate) -> list[tuple[str, float]]:
    found = []
    agreement = 100 * judgement.parity.agreement
    if agreement < gate.min_agreement:
        said = f"gives its parent's label to {agreement:.2f}% of {judgement.parity.pictures} held-out pictures"
        found.append((f"{said}, less than --min-agreement {gate.min_agreement:g}", gate.min_agreement - agreement))
    if not judgement.divergence <= gate.max_divergence:
        said = f"has probabilities {judgement.divergence:.3f} nats from its parent's, more than "
        excess = 100 * (judgement.divergence - gate.max_divergence)
        found.append((f"{said}--max-divergence {gate.max_divergence:g}", excess))
    return found


class Judge:
    """Holds the parent's answers and judges one candidate after the other against them.

    parent: the bytes of the parent's file. on_picture is called after each of its answers.
    """

    def __init__(
        self, parent: bytes, held_out: PixelStore, info: ArtifactInfo, *, on_picture: Callable[[], None] = lambda: None
    ) -> None:
        self._parent, self._held_out = parent, held_out
        pictures = held_out.pictures
        self._truth = matched_labels(pictures, info.labels) if pictures.classes else None
        self._expected = self._answers(parent, info, on_picture)

    def judgement(
        self, candidate: bytes, info: ArtifactInfo, *, on_picture: Callable[[], None] = lambda: None
    ) -> Judgement:
        """Everything the gate wants to know of these bytes, whose file would say `info` of itself."""
        found = self._answers(candidate, info, on_picture)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "candidate.onnx")
            write_info(candidate, info, path)
            size, memory = path.stat().st_size, peak_memory_bytes(path)
        pixels = next(iter(self._held_out))
        return Judgement(
            parent=self._accuracy(self._expected),
            child=self._accuracy(found),
            parity=compare_logits(self._expected, found),
            divergence=divergence(self._expected, found),
            latencies=tuple(self._latency(candidate, pixels, threads) for threads in THREADS),
            size_bytes=size,
            memory_bytes=memory,
        )

    def _accuracy(self, logits: Floats) -> Accuracy | None:
        return None if self._truth is None else Accuracy(self._truth, softmax(logits))

    def _answers(self, model: bytes, info: ArtifactInfo, on_picture: Callable[[], None]) -> Floats:
        """The logits (N, classes) that an application would get for the held-out pictures."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            write_info(model, info, path)
            with Classifier(path) as classifier:
                return np.concatenate(list(_each(classifier, self._held_out, on_picture)))

    def _latency(self, candidate: bytes, pixels: Pixels, threads: int) -> PairedLatency:
        before, after = (
            open_session(m, name="the model", options=SessionOptions(threads=threads))
            for m in (self._parent, candidate)
        )
        return paired_latency(before, after, pixels, threads=threads)


def _each(classifier: Classifier, pictures: Iterable[Pixels], on_picture: Callable[[], None]) -> Iterable[Floats]:
    for pixels in pictures:
        yield classifier.logits(pixels)
        on_picture()


def _right(accuracy: Accuracy) -> npt.NDArray[np.bool_]:
    return np.asarray(accuracy.probabilities.argmax(axis=1) == accuracy.truth)
