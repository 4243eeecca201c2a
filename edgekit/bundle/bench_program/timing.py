"""The latency of networks, measured in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .kit import Model, open_session
from .progress import Progress
from .quartiles import quartiles, rounded

NOTABLE_DRIFT = 1.1
_WARMUP_RUNS = 3
_MOST_RUNS = 500  # of a network in a round

Run = Callable[[], object]
Rounds = list[list[float]]  # milliseconds of each run of each round


def measure_networks(
    models: Sequence[Model],
    *,
    threads: Sequence[int],
    rounds: int,
    seconds: float,
    on_round: Callable[[], None],
    progress: Progress,
) -> tuple[list[list[dict[str, Any]]], float | None]:
    """Time the networks of all models, for each number of threads.

    The models are timed in turn, so that all of them meet the same disturbances and can be compared.

    Args:
        models: what to time.
        threads: numbers of intra-op threads.
        rounds: number of rounds.
        seconds: length of a round of one model; at least one run.
        on_round: called after each round of a model, while the processor is still warm.
        progress: what shows how far it is.

    Returns:
        For each model, the latency for each number of threads; and how many times as long the last third of the rounds
        took as the first, the median over everything timed; None if there are no models.
    """
    progress.begin("latency", len(threads) * rounds * len(models))

    def after_round() -> None:
        on_round()
        progress.step()

    networks: list[list[dict[str, Any]]] = [[] for _ in models]
    drifts = []
    for count in threads:
        runs = [_runner(model, count) for model in models]
        timings = time_in_turn(runs, rounds=rounds, seconds=seconds, on_round=after_round)
        for network, timing in zip(networks, timings, strict=True):
            medians = [float(np.median(part)) for part in timing]
            drifts.append(_drift(medians))
            network.append({"threads": count, **_latency(timing, medians)})
    return networks, round(float(np.median(drifts)), 3) if drifts else None


def _runner(model: Model, threads: int) -> Run:
    session = open_session(*model.session_arguments, threads=threads)
    return partial(session.run, [model.golden["output"]["name"]], model.feed())


def time_in_turn(
    runs: Sequence[Run], *, rounds: int, seconds: float, on_round: Callable[[], None] = lambda: None
) -> list[Rounds]:
    """Time functions in turn after a warm-up, every other round in the opposite order."""
    counts = [_runs_within(run, seconds) for run in runs]
    timings: list[Rounds] = [[] for _ in runs]
    for number in range(rounds):
        order = range(len(runs))
        for position in order if number % 2 == 0 else reversed(order):
            timings[position].append([_milliseconds(runs[position]) for _ in range(counts[position])])
            on_round()
    return timings


def _runs_within(run: Run, seconds: float) -> int:
    fastest = min(_milliseconds(run) for _ in range(_WARMUP_RUNS)) / 1e3
    return int(min(max(seconds / max(fastest, 1e-9), 1), _MOST_RUNS))


def _milliseconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def _latency(timing: Rounds, medians: Sequence[float]) -> dict[str, Any]:
    runs = [milliseconds for part in timing for milliseconds in part]
    whole = quartiles(runs)
    return {
        "median_ms": whole["median"],
        "low_ms": whole["low"],
        "high_ms": whole["high"],
        "runs": len(runs),
        "rounds_ms": [rounded(median) for median in medians],
    }


def _drift(medians: Sequence[float]) -> float:
    third = max(len(medians) // 3, 1)
    return float(np.median(medians[-third:]) / np.median(medians[:third]))
