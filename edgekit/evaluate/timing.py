"""Interleaved timing: on a shared machine, only measurements taken right after each other can be compared."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import ImageSet
from edgekit.evaluate.intervals import Interval, median_interval
from edgekit.evaluate.predictions import EvaluatedModel
from edgekit.image.source import ImageSource, Pixels
from edgekit.runtime.run_limits import run
from edgekit.runtime.targets import is_timed_here

if TYPE_CHECKING:
    import onnxruntime as ort

Seconds = npt.NDArray[np.float64]  # of each call: (rounds, calls per round)

TIMING_ROUNDS = 15  # of two models
_WARMUP_CALLS = 3
_MAX_CALLS = 200  # of one function in a round
_SPEED_IMAGES, _SPEED_ROUNDS = 4, 11


def time_in_turn(
    functions: Sequence[Callable[[], object]],
    *,
    rounds: int = TIMING_ROUNDS,
    round_s: float = 0.1,
    on_round: Callable[[], None] = lambda: None,
) -> list[Seconds]:
    """Time functions in turn, after a warm-up.

    In each round the functions are called one after the other, each for about `round_s` seconds but at least once.
    Every other round goes in the opposite order, so that neither drift nor position favors a function.

    Args:
        functions: what to time.
        rounds: number of rounds.
        round_s: seconds for each function in a round.
        on_round: called after each round.

    Returns:
        For each function, float64 (rounds, calls per round) seconds.
    """
    counts = [_calls_within(function, round_s) for function in functions]
    timings = [np.empty((rounds, count)) for count in counts]
    for number in range(rounds):
        order = range(len(functions)) if number % 2 == 0 else reversed(range(len(functions)))
        for position in order:
            function, seconds = functions[position], timings[position][number]
            for call in range(counts[position]):
                start = time.perf_counter()
                function()
                seconds[call] = time.perf_counter() - start
        on_round()
    return timings


def _calls_within(function: Callable[[], object], seconds: float) -> int:
    fastest = float("inf")
    for _ in range(_WARMUP_CALLS):
        start = time.perf_counter()
        function()
        fastest = min(fastest, time.perf_counter() - start)
    return int(min(max(seconds / max(fastest, 1e-9), 1), _MAX_CALLS))


def speedup(baseline: Seconds, other: Seconds) -> Interval:
    """How many times as fast `other` is as `baseline`: the median over the rounds of the ratio of their medians.

    Args:
        baseline: (rounds, calls) seconds, from the same `time_in_turn` as `other`.
        other: (rounds, calls) seconds.

    Returns:
        The speedup with its 95% interval; above 1 `other` is faster.
    """
    return median_interval(np.median(baseline, axis=1) / np.median(other, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLatency:
    """The latency of a model compared with that of a baseline.

    Attributes:
        baseline_ms: median milliseconds per image of the baseline.
        other_ms: median milliseconds per image of the other model.
        speedup: median over the rounds of the ratio of both; above 1 the other model is faster.
        threads: intra-op threads of both.
    """

    baseline_ms: float
    other_ms: float
    speedup: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-ready values."""
        return dataclasses.asdict(self)


def paired_latency(
    baseline: ort.InferenceSession,
    other: ort.InferenceSession,
    pixels: Pixels,
    *,
    threads: int,
    on_round: Callable[[], None] = lambda: None,
) -> PairedLatency:
    """Time two sessions in turn, in rounds of about 0.1 s.

    Args:
        baseline: session of the baseline.
        other: session of the model to compare.
        pixels: uint8 (1, height, width, channels).
        threads: intra-op threads of both sessions, for the record.
        on_round: called after each of the TIMING_ROUNDS rounds.
    """
    feed = {"pixels": pixels}
    functions = [partial(run, session, ["logits"], feed) for session in (baseline, other)]
    first, second = time_in_turn(functions, on_round=on_round)
    baseline_ms, other_ms = (float(np.median(seconds)) * 1e3 for seconds in (first, second))
    return PairedLatency(
        baseline_ms=baseline_ms, other_ms=other_ms, speedup=speedup(first, second).value, threads=threads
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSpeed:
    """The speed of a model.

    Attributes:
        median_ms: median milliseconds per image, from file to label.
        speedup: how many times as fast the model is as the first one; None if the first one is not measured here.
    """

    median_ms: float
    speedup: Interval | None


def prediction_speeds(models: Sequence[EvaluatedModel], images: ImageSet) -> tuple[PredictionSpeed | None, ...]:
    """Time the models in turn, from file to label, on a few images.

    Args:
        models: the models.
        images: readable images, of which 4 are used.

    Returns:
        The speed of each model; None for those that this machine cannot time (`is_timed_here`).
    """
    sources = images.sample(_SPEED_IMAGES, seed=0).sources
    timed = [number for number, model in enumerate(models) if is_timed_here(model.classifier.info.target)]
    functions = [partial(_predict_all, models[number], sources) for number in timed]
    timings = dict(zip(timed, time_in_turn(functions, rounds=_SPEED_ROUNDS), strict=True))
    first = timings.get(0)
    return tuple(
        PredictionSpeed(
            median_ms=float(np.median(timings[number])) * 1e3 / len(sources),
            speedup=None if first is None else speedup(first, timings[number]),
        )
        if number in timings
        else None
        for number in range(len(models))
    )


def _predict_all(model: EvaluatedModel, sources: Sequence[ImageSource]) -> None:
    for source in sources:
        model.classifier.predict(source, top=1, plan=model.crops)
