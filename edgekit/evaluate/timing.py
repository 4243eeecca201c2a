"""Speed measured in turn: machines are shared, so only ratios of neighbors in time mean much."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.dataset import PictureSet
from edgekit.evaluate.intervals import Interval, median_interval
from edgekit.evaluate.predictions import Contender
from edgekit.image.source import ImageSource, Pixels
from edgekit.runtime.run_limits import run

if TYPE_CHECKING:
    import onnxruntime as ort

Seconds = npt.NDArray[np.float64]

_WARMING_CALLS = 3
_MOST_CALLS = 200  # of one function in one round
_TIMED_IMAGES, _SPEED_ROUNDS = 4, 11


def in_turn(
    functions: Sequence[Callable[[], object]],
    *,
    rounds: int = 15,
    round_s: float = 0.1,
    on_round: Callable[[], None] = lambda: None,
) -> list[Seconds]:
    """Of each function, the seconds of every single call: (rounds, calls of a round).

    All are warmed; then in each round one after the other is called for about `round_s` seconds, at least once, every
    other round in the opposite order, so that neither drift nor place favors one. on_round is called after each round.
    """
    calls = [_calls_within(function, round_s) for function in functions]
    taken = [np.empty((rounds, count)) for count in calls]
    for number in range(rounds):
        order = range(len(functions)) if number % 2 == 0 else reversed(range(len(functions)))
        for position in order:
            function, seconds = functions[position], taken[position][number]
            for call in range(calls[position]):
                start = time.perf_counter()
                function()
                seconds[call] = time.perf_counter() - start
        on_round()
    return taken


def ratio(baseline: Seconds, other: Seconds) -> Interval:
    """How many times as fast `other` is: the median over the rounds of their medians' ratio, with its interval."""
    return median_interval(np.median(baseline, axis=1) / np.median(other, axis=1))


def _calls_within(function: Callable[[], object], seconds: float) -> int:
    fastest = float("inf")
    for _ in range(_WARMING_CALLS):
        start = time.perf_counter()
        function()
        fastest = min(fastest, time.perf_counter() - start)
    return int(min(max(seconds / max(fastest, 1e-9), 1), _MOST_CALLS))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLatency:
    """Median milliseconds per picture of a baseline and of another model, and the median of the rounds' ratios."""

    baseline_ms: float
    other_ms: float
    speedup: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        return dataclasses.asdict(self)


def paired_latency(
    baseline: ort.InferenceSession, other: ort.InferenceSession, pixels: Pixels, *, threads: int
) -> PairedLatency:
    """Both on pixels (1, height, width, channels), warmed, in alternating rounds of about a tenth of a second."""
    feed = {"pixels": pixels}
    first, second = in_turn([partial(run, session, ["logits"], feed) for session in (baseline, other)])
    base_ms, other_ms = (float(np.median(seconds)) * 1e3 for seconds in (first, second))
    return PairedLatency(baseline_ms=base_ms, other_ms=other_ms, speedup=ratio(first, second).value, threads=threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """median_ms: of one picture. speedup: over the first contender, with the interval that the rounds allow."""

    median_ms: float
    speedup: Interval


def speeds(contenders: Sequence[Contender], pictures: PictureSet) -> tuple[Speed, ...]:
    """Of each contender, on the same few of the (readable) pictures."""
    sources = pictures.sample(_TIMED_IMAGES, seed=0).sources
    taken = in_turn([_predicting(contender, sources) for contender in contenders], rounds=_SPEED_ROUNDS)
    return tuple(
        Speed(median_ms=float(np.median(seconds)) * 1e3 / len(sources), speedup=ratio(taken[0], seconds))
        for seconds in taken
    )


def _predicting(contender: Contender, sources: Sequence[ImageSource]) -> Callable[[], None]:
    def predict_all() -> None:
        for source in sources:
            contender.classifier.predict(source, top=1, plan=contender.crops)

    return predict_all
