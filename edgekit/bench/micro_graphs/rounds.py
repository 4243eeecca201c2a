"""Times micro-graphs in turn."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.float_graph import float_graph
from edgekit.bench.micro_graphs.integer_graph import integer_graph
from edgekit.bench.micro_graphs.steps import MicroGraph

PRECISIONS = ("float32", "int8")
PASSES = 2  # over all micro-graphs; a disturbance of a minute spoils one at most
_ROUNDS = 3  # of a pass
_ROUND_S = 0.04  # of one micro-graph
_MOST_RUNS = 400  # of a micro-graph in a round
_GROUP = 12  # micro-graphs that are open at the same time and timed in turn


def measure_micro_graphs(
    threads: int, *, precision: str, on_graph: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Measure all micro-graphs of a precision, each at its fastest.

    Args:
        threads: intra-op threads.
        precision: "float32" or "int8".
        on_graph: called after each micro-graph of each pass.

    Returns:
        Milliseconds of a run by name of the micro-graph.
    """
    shortest: dict[str, float] = {}
    for _ in range(PASSES):
        graphs = micro_graphs(precision)
        for times in measure_pass(graphs, precision=precision, threads=threads, on_graph=on_graph):
            shortest |= {name: min(value, shortest.get(name, value)) for name, value in times.items()}
    return shortest


def measure_pass(
    graphs: Sequence[MicroGraph],
    *,
    precision: str,
    threads: int,
    seconds: float = _ROUND_S,
    on_graph: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, float]]:
    """Measure micro-graphs once.

    They are timed in turn, a group at a time, and the shortest of all runs counts: other programs and other tenants of
    the machine can only make a run longer.

    Args:
        graphs: what to time.
        precision: "float32" or "int8".
        threads: intra-op threads.
        seconds: length of a round of one micro-graph.
        on_graph: called after each micro-graph.

    Yields:
        Milliseconds of a run by name, for each group.
    """
    for start in range(0, len(graphs), _GROUP):
        group = graphs[start : start + _GROUP]
        runs = [_runner(graph, precision, threads) for graph in group]
        best = [min(_milliseconds(run) for _ in range(3)) for run in runs]
        for _ in range(_ROUNDS):
            for index, run in enumerate(runs):
                count = int(min(max(seconds * 1e3 / best[index], 3), _MOST_RUNS))
                best[index] = min(best[index], *(_milliseconds(run) for _ in range(count)))
        for _ in group:
            on_graph()
        yield {graph.name: round(least, 5) for graph, least in zip(group, best, strict=True)}


def has_signed_activations() -> bool:
    """Whether this machine's integer kernels multiply signed activations."""
    return platform.machine().lower() in ("arm64", "aarch64")


def open_micro_graph(graph: MicroGraph, precision: str, threads: int) -> tuple[ort.InferenceSession, dict[str, Any]]:
    """A session over a micro-graph, and what to run it on."""
    signed = has_signed_activations()
    content = float_graph(graph) if precision == "float32" else integer_graph(graph, signed=signed)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 4
    # As edgekit opens networks: threads that spin only from one operator to the next.
    settings.add_session_config_entry("session.intra_op.spin_duration_us", "20")
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    if signed:
        settings.add_session_config_entry("session.qdqisint8allowed", "1")
    session = ort.InferenceSession(
        content, settings, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )
    (source,) = session.get_inputs()
    dtype = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}[source.type]
    values = np.random.default_rng(0).integers(0, 128, source.shape).astype(dtype)
    return session, {source.name: values / np.float32(64) if dtype is np.float32 else values}


def _runner(graph: MicroGraph, precision: str, threads: int) -> Callable[[], object]:
    session, feed = open_micro_graph(graph, precision, threads)
    return partial(session.run, None, feed)


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3
