"""Compares a candidate with its parent on held-out images, in accuracy, speed, size and memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgekit.artifact.info import ArtifactInfo, with_info, write_info
from edgekit.bench.peak_memory import peak_memory_bytes
from edgekit.evaluate.accuracy import AnyAccuracy, accuracy_from, true_labels
from edgekit.evaluate.accuracy_drop import points_lost
from edgekit.evaluate.parity import Parity, compare_logits, divergence, rounded_up
from edgekit.evaluate.timing import TIMING_ROUNDS, PairedLatency, paired_latency
from edgekit.preprocess.scores import Floats
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.runtime.loaded_model import LOGITS, LoadedModel
from edgekit.runtime.session import DEFAULT_OPTIONS, SessionOptions, open_session
from edgekit.stages import StageProgress, step_counter

THREADS = (1, 2)


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
    def speedup(self) -> float | None:
        """Speed relative to the parent on one thread: 2.0 is twice as fast; None if it is not measured here."""
        return self.latencies[0].speedup if self.latencies else None

    def evidence(self) -> dict[str, Any]:
        """The figures that are written into the model file: those measured on the images, which are reproducible."""
        figures = self.parity.to_dict() | {"divergence": rounded_up(self.divergence), "held_out": self.parity.images}
        if self.parent is not None and self.child is not None:
            figures |= {f"parent_{self.parent.key}": self.parent.value, self.child.key: self.child.value}
        return figures

    def costs(self) -> dict[str, Any]:
        """The figures that are written to the JSON sidecar: timings and memory, which differ from run to run.

        `latency` is None if it is not measured here.
        """
        return {
            "latency": self.latencies[0].to_dict() if self.latencies else None,
            **{f"latency_{latency.threads}_threads": latency.to_dict() for latency in self.latencies[1:]},
            "peak_memory_bytes": self.memory_bytes,
        }


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
