"""Times micro-graphs in turn, and relates them to one network, because the speed of a machine changes by the minute.

A processor that other programs or tenants load, or that heats up, runs the same network 15% faster or slower for some
seconds. So each group of micro-graphs is timed together with the reference network, and its times are those that it
would have had while the reference took as long as at first.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.float_graph import float_graph
from edgekit.bench.micro_graphs.integer_graph import integer_graph
from edgekit.bench.micro_graphs.steps import MicroGraph

PRECISIONS = ("float32", "int8")
REFERENCE = "network-efficientnet-lite-128-0.35-1.4-32-relu6"  # with all kinds of convolutions, and short
PASSES = 3  # over all micro-graphs, of which the median counts: a disturbance spoils one at most
_ROUNDS = 2  # of a pass
_ROUND_S = 0.04  # of one micro-graph
_MOST_RUNS = 400  # of a micro-graph in a round
_REFERENCE_RUNS = 100
_GROUP = 12  # micro-graphs that are open at the same time and timed in turn


def measure_micro_graphs(threads: int, *, on_graph: Callable[[], None] = lambda: None) -> dict[str, dict[str, float]]:
    """Measure all micro-graphs.

    Args:
        threads: intra-op threads.
        on_graph: called after each micro-graph of each precision and pass.

    Returns:
        For each precision, milliseconds of a run by name of the micro-graph.
    """
    references = reference_times(threads)
    passes: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    for _ in range(PASSES):
        for precision, reference_ms in references.items():
            groups = measure_pass(
                micro_graphs(precision),
                precision=precision,
                threads=threads,
                reference_ms=reference_ms,
                on_graph=on_graph,
            )
            passes[precision].append({name: value for times in groups for name, value in times.items()})
    return {precision: median_times(times) for precision, times in passes.items()}


def median_times(passes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median time of each micro-graph.

    Args:
        passes: milliseconds by name, each pass with the same names.
    """
    return {name: statistics.median(times[name] for times in passes) for name in passes[0]}


def reference_times(threads: int) -> dict[str, float]:
    """Milliseconds of the shortest run of the reference network by precision, both timed in turn for a short time.

    Args:
        threads: intra-op threads.
    """
    runs = {precision: _reference_runner(precision, threads) for precision in PRECISIONS}
    turns = [{precision: _milliseconds(run) for precision, run in runs.items()} for _ in range(_REFERENCE_RUNS)]
    return {precision: min(turn[precision] for turn in turns) for precision in PRECISIONS}


def measure_pass(
    graphs: Sequence[MicroGraph],
    *,
    precision: str,
    threads: int,
    reference_ms: float,
    seconds: float = _ROUND_S,
    on_graph: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, float]]:
    """Measure micro-graphs once.

    They are timed in turn with the reference network, a group at a time, and the shortest of all runs counts: within
    seconds, other programs and other tenants of the machine can only make a run longer.

    Args:
        graphs: what to time.
        precision: "float32" or "int8".
        threads: intra-op threads.
        reference_ms: what the reference network took at first, to which the times are related.
        seconds: length of a round of one micro-graph.
        on_graph: called after each micro-graph.

    Yields:
        Milliseconds of a run by name, for each group.
    """
    run_reference = _reference_runner(precision, threads)
    for start in range(0, len(graphs), _GROUP):
        group = graphs[start : start + _GROUP]
        runs = [run_reference, *(_runner(graph, precision, threads) for graph in group)]
        best = [min(_milliseconds(run) for _ in range(3)) for run in runs]
        for _ in range(_ROUNDS):
            for index, run in enumerate(runs):
                count = int(min(max(seconds * 1e3 / best[index], 3), _MOST_RUNS))
                best[index] = min(best[index], *(_milliseconds(run) for _ in range(count)))
        for _ in group:
            on_graph()
        speed = reference_ms / best[0]
        yield {graph.name: round(least * speed, 5) for graph, least in zip(group, best[1:], strict=True)}


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


def _reference_runner(precision: str, threads: int) -> Callable[[], object]:
    (graph,) = (graph for graph in micro_graphs(precision) if graph.name == REFERENCE)
    return _runner(graph, precision, threads)


def _runner(graph: MicroGraph, precision: str, threads: int) -> Callable[[], object]:
    session, feed = open_micro_graph(graph, precision, threads)
    return partial(session.run, None, feed)


def _milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3
