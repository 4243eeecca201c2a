"""The time shares of a model's operators, and its multiply-accumulates, from onnxruntime's profiler."""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from edgekit.bench.subject import Subject

_PROFILED_RUNS = 20
# Index of the weights among the inputs of each kind of convolution, as in graph.layer_costs.
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = frozenset({"Gemm", "MatMul", "MatMulInteger", "QGemm", "QLinearMatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorShare:
    """All nodes of one operator type.

    Attributes:
        kind: operator type, such as "Conv".
        nodes: number of nodes.
        share: their share of the time of all nodes, 0 to 1.
    """

    kind: str
    nodes: int
    share: float


def operator_shares(subject: Subject) -> tuple[OperatorShare, ...]:
    """Measure the time shares of the operators in the optimized graph, on one thread.

    Args:
        subject: the model to profile.

    Returns:
        Operators, the slowest first.
    """
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in _node_events(subject, ort.GraphOptimizationLevel.ORT_ENABLE_ALL, _PROFILED_RUNS):
        durations[event["args"]["op_name"], event["name"]].append(event["dur"])
    medians: dict[str, list[float]] = defaultdict(list)  # with sums, one interruption would look like a slow operator
    for (kind, _), node_durations in durations.items():
        medians[kind].append(statistics.median(node_durations))
    total = math.fsum(math.fsum(nodes) for nodes in medians.values()) or 1.0
    shares = [
        OperatorShare(kind=kind, nodes=len(nodes), share=math.fsum(nodes) / total) for kind, nodes in medians.items()
    ]
    return tuple(sorted(shares, key=lambda operator: -operator.share))


def count_macs(subject: Subject) -> int:
    """Count the multiply-accumulates per image, from the shapes of one run of the unoptimized graph.

    This does not need the onnx package, and covers shapes that the graph computes.

    Args:
        subject: the model to profile.
    """
    return sum(map(_event_macs, _node_events(subject, ort.GraphOptimizationLevel.ORT_DISABLE_ALL, 1)))


def _event_macs(event: dict[str, Any]) -> int:
    kind = event["args"]["op_name"]
    if kind not in _CONVOLUTIONS and kind not in _PRODUCTS:
        return 0
    inputs, outputs = (_shapes(event, name) for name in ("input_type_shape", "output_type_shape"))
    if kind in _CONVOLUTIONS:
        return math.prod(outputs[0]) * math.prod(inputs[_CONVOLUTIONS[kind]][1:])
    # Each output value sums as many products as the left matrix has columns.
    return math.prod(inputs[0]) * outputs[0][-1]


def _shapes(event: dict[str, Any], name: str) -> list[list[int]]:
    return [shape for entry in event["args"][name] for shape in entry.values()]


def _node_events(subject: Subject, level: ort.GraphOptimizationLevel, runs: int) -> Iterator[dict[str, Any]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    options.enable_profiling = True
    options.add_session_config_entry("session.load_model_format", "ONNX")
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(subject.model, options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(subject.outputs, subject.feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8", errors="replace"))
    yield from (e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time"))
