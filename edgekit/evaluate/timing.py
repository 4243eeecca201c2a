"""Functions timed in turn: on a shared machine only neighbors in time can be compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edgekit.evaluate.intervals import Estimate, median_interval

Seconds = npt.NDArray[np.float64]

_WARMING_CALLS = 3
_MOST_CALLS = 200  # of one function in one round


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


def ratio(baseline: Seconds, other: Seconds) -> Estimate:
    """How many times as fast `other` is: the median over the rounds of their medians' ratio, with its interval."""
    return median_interval(np.median(baseline, axis=1) / np.median(other, axis=1))


def _calls_within(function: Callable[[], object], seconds: float) -> int:
    fastest = float("inf")
    for _ in range(_WARMING_CALLS):
        start = time.perf_counter()
        function()
        fastest = min(fastest, time.perf_counter() - start)
    return int(min(max(seconds / max(fastest, 1e-9), 1), _MOST_CALLS))
