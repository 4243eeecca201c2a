"""The quality gate: compares a candidate with its parent on held-out images, in accuracy, speed, size and memory."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgekit.artifact.info import ArtifactInfo, with_info, write_info
from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.errors import SpecError, must_be
from edgekit.evaluate.accuracy import AnyAccuracy, accuracy_from, points_lost, points_lost_interval, true_labels
from edgekit.evaluate.intervals import Interval
from edgekit.evaluate.parity import Parity, compare_logits, divergence, rounded_up
from edgekit.evaluate.timing import TIMING_ROUNDS, PairedLatency, paired_latency
from edgekit.preprocess.scores import Floats
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.runtime.loaded_model import LOGITS, LoadedModel
from edgekit.runtime.session import DEFAULT_OPTIONS, SessionOptions, open_session
from edgekit.stages import StageProgress, step_counter

THREADS = (1, 2)
# Even interleaved, two runs of the same file differ by this much on a shared machine.
_SPEED_NOISE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The limits that a candidate must keep to pass.

    `max_drop` applies if the held-out images have labels, `min_agreement` and `max_divergence` if they have none;
    `min_speedup` applies if the candidate is for this machine.

    Args:
        max_drop: largest accuracy drop, in percentage points of top-1; of a multi-label model, of mAP.
        min_speedup: smallest speedup over the parent on one thread, on this machine (1.5 is 50% faster). A candidate
            that misses it by 2% or less still passes, because timings are noisy.
        min_agreement: smallest share of the images for which the candidate predicts the parent's label, in percent.
        max_divergence: largest mean KL divergence of the probabilities from the parent's, in nats.

    Raises:
        SpecError: a limit is NaN.

    Example:
        >>> from edgekit.quantize import Gate
        >>> Gate(max_drop=0.5, min_speedup=1.5)
        Gate(max_drop=0.5, min_speedup=1.5, min_agreement=95.0, max_divergence=0.1)
    """

    max_drop: float = 1.0
    min_speedup: float = 1.0
    min_agreement: float = 95.0
    max_divergence: float = 0.1

    def __post_init__(self) -> None:
        for limit in dataclasses.fields(self):
            value = getattr(self, limit.name)
            try:
                is_number = not math.isnan(value)  # every comparison with NaN would pass
            except (TypeError, OverflowError):
                is_number = False
            if not is_number:
                raise SpecError(must_be(limit.name, "a number", value))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutResult:
    """A candidate compared with its parent on the held-out images.

    Attributes:
        parent: accuracy of the parent; None if the images have no labels.
        child: accuracy of the candidate; None if the images have no labels.
        parity: differences between the logits, and the share of images with the same predicted labels.
        divergence: mean KL divergence of the candidate's probabilities from the parent's, in nats.
        latencies: latency of both on this machine, with 1 and 2 threads; empty if the candidate is for another one.
        size_bytes: size of the candidate's file.
        memory_bytes: peak memory of a process that predicts with it; None if the system does not report it.
    """

    parent: AnyAccuracy | None
    child: AnyAccuracy | None
    parity: Parity
    divergence: float
    latencies: tuple[PairedLatency, ...]
    size_bytes: int
    memory_bytes: int | None

    @property
    def drop(self) -> float | None:
        """Accuracy drop in percentage points of top-1, or of a multi-label model of mAP; None without labels.

        It is negative if the candidate is better.
        """
        return None if self.parent is None or self.child is None else points_lost(self.parent, self.child)

    @property
    def drop_interval(self) -> Interval | None:
        """The accuracy drop with its 95% confidence interval, in percentage points; None without labels.

        The interval is that of paired differences: only images that one of the two models got wrong widen it.
        """
        return None if self.parent is None or self.child is None else points_lost_interval(self.parent, self.child)

    @property
    def speedup(self) -> float | None:
        """Speed relative to the parent on one thread: 2.0 is twice as fast; None if it is not measured here."""
        return self.latencies[0].speedup if self.latencies else None

    def evidence(self) -> dict[str, Any]:
        """The figures that are written into the model file: those measured on the images, which are reproducible."""
        figures, interval = self.parity.to_dict() | {"divergence": rounded_up(self.divergence)}, self.drop_interval
        if self.parent is None or self.child is None or interval is None:
            return figures | {"held_out": self.parity.images}
        return figures | {
            f"parent_{self.parent.key}": self.parent.value,
            self.child.key: self.child.value,
            "drop_interval": [round(end, 3) for end in (interval.low, interval.high)],
            "held_out": len(self.child.truth),
        }

    def costs(self) -> dict[str, Any]:
        """The figures that are written to the JSON sidecar: timings and memory, which differ from run to run.

        `latency` is None if it is not measured here.
        """
        return {
            "latency": self.latencies[0].to_dict() if self.latencies else None,
            **{f"latency_{latency.threads}_threads": latency.to_dict() for latency in self.latencies[1:]},
            "peak_memory_bytes": self.memory_bytes,
        }


class Failure(NamedTuple):
    """A limit that a candidate misses, and by how much: percentage points of accuracy, or percent of the speed."""

    message: str
    excess: float


def gate_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    """Check a candidate against the gate.

    Args:
        result: the candidate's measurements.
        gate: the limits.

    Returns:
        The limits that it misses; empty if it passes.
    """
    failures = _unlabeled_failures(result, gate) if result.drop is None else _labeled_failures(result, gate)
    if result.speedup is not None and result.speedup < gate.min_speedup * (1 - _SPEED_NOISE):
        message = (
            f"runs at {result.speedup:.2f}x the speed of its parent on this machine "
            f"(`min_speedup` requires {gate.min_speedup:g})"
        )
        failures.append(Failure(message, 100 * (1 - result.speedup / gate.min_speedup)))
    return failures


def _labeled_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    if result.drop is None or not result.drop > gate.max_drop:
        return []
    pair = [accuracy for accuracy in (result.parent, result.child) if accuracy is not None]
    before, after = (100 * accuracy.value for accuracy in pair)
    message = (
        f"loses {result.drop:.2f} percentage points of {pair[0].metric} ({before:.2f}% -> {after:.2f}% on "
        f"{result.parity.images} held-out images; `max_drop` allows {gate.max_drop:g})"
    )
    return [Failure(message, result.drop - gate.max_drop)]


def _unlabeled_failures(result: HeldOutResult, gate: Gate) -> list[Failure]:
    failures = []
    agreement = 100 * result.parity.agreement
    if agreement < gate.min_agreement:
        message = (
            f"predicts its parent's label for only {agreement:.2f}% of {result.parity.images} held-out images "
            f"(`min_agreement` requires {gate.min_agreement:g})"
        )
        failures.append(Failure(message, gate.min_agreement - agreement))
    if not result.divergence <= gate.max_divergence:
        message = (
            f"has a mean KL divergence of {result.divergence:.3f} nats from its parent's probabilities "
            f"(`max_divergence` allows {gate.max_divergence:g})"
        )
        failures.append(Failure(message, 100 * (result.divergence - gate.max_divergence)))
    return failures


class ModelFile(NamedTuple):
    """A model file in memory.

    Attributes:
        data: its bytes, with any metadata.
        info: the metadata that it is to have.
        name: what messages call it.
    """

    data: bytes
    info: ArtifactInfo
    name: str


class HeldOutEvaluator:
    """Compares candidates with their parent, whose logits are computed once.

    Args:
        parent: the parent.
        held_out: images to compare on.
        is_timed: whether candidates are timed: not if they are for another machine.
        progress: called after each step of a measurement.
    """

    def __init__(
        self,
        parent: ModelFile,
        held_out: PixelCache,
        *,
        is_timed: bool = True,
        progress: StageProgress = lambda stage, done, total: None,
    ) -> None:
        self._parent, self._held_out, self._scoring = parent, held_out, parent.info.scoring
        self._is_timed, self._progress = is_timed, progress
        images = held_out.images
        self._truth = true_labels(images, parent.info) if images.classes else None
        counter = step_counter(progress, "running the parent", len(held_out))
        self._parent_logits = cached_logits(parent, held_out, on_image=counter)

    def evaluate(self, candidate: ModelFile, name: str) -> HeldOutResult:
        """Measure a candidate.

        Args:
            candidate: the candidate.
            name: what the progress calls it.

        Returns:
            Its accuracy, parity, latencies, size and memory.
        """
        counter = step_counter(self._progress, f"evaluating {name}", len(self._held_out))
        logits = cached_logits(candidate, self._held_out, on_image=counter)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "candidate.onnx")
            write_info(candidate.data, candidate.info, path)
            size, memory = path.stat().st_size, peak_memory_bytes(path)
        return HeldOutResult(
            parent=self._accuracy(self._parent_logits),
            child=self._accuracy(logits),
            parity=compare_logits(self._parent_logits, logits, scoring=self._scoring),
            divergence=divergence(self._parent_logits, logits, scoring=self._scoring),
            latencies=self._latencies(candidate, name) if self._is_timed else (),
            size_bytes=size,
            memory_bytes=memory,
        )

    def _accuracy(self, logits: Floats) -> AnyAccuracy | None:
        if self._truth is None:
            return None
        return accuracy_from(self._truth, self._scoring.probabilities(logits), self._scoring)

    def _latencies(self, candidate: ModelFile, name: str) -> tuple[PairedLatency, ...]:
        pixels, latencies = next(iter(self._held_out)), []
        counter = step_counter(self._progress, f"timing {name}", len(THREADS) * TIMING_ROUNDS)
        for threads in THREADS:
            parent_session, session = (
                open_session(model.data, name=model.name, options=SessionOptions(threads=threads))
                for model in (self._parent, candidate)
            )
            latencies.append(paired_latency(parent_session, session, pixels, threads=threads, on_round=counter))
        return tuple(latencies)


def cached_logits(model: ModelFile, images: PixelCache, *, on_image: Callable[[], None] = lambda: None) -> Floats:
    """The logits (N, classes) of a model, computed as a Classifier computes them.

    Args:
        model: the model.
        images: the images.
        on_image: called after each image.
    """
    rows, loaded = [], LoadedModel(with_info(model.data, model.info), DEFAULT_OPTIONS, name=model.name)
    for pixels in images:
        rows.append(loaded.run(LOGITS, pixels))
        on_image()
    return np.concatenate(rows)
