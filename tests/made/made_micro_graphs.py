"""Times of micro-graphs as a simple device would take: so much for each operator, for its work and for its output."""

import json
from pathlib import Path

from made_device import device_document

from edgekit.bench.micro_graphs.designed import design, micro_graphs
from edgekit.bench.micro_graphs.rounds import PRECISIONS

_CALL_MS, _OPERATOR_MS = 0.02, 0.002
_MACS_PER_MS = {"float32": 8e6, "int8": 24e6}
_VALUES_PER_MS = {"float32": 1e6, "int8": 3e6}


def micro_graph_times(precision: str, *, threads: int = 1, slowness: float = 1.0) -> dict[str, float]:
    """Milliseconds by the name of the micro-graph, of a device that is `slowness` times as slow."""
    return {
        graph.name: slowness
        * (
            _CALL_MS
            + sum(
                _OPERATOR_MS
                + step.macs / _MACS_PER_MS[precision] / threads
                + step.channels * step.output[0] * step.output[1] / _VALUES_PER_MS[precision] / threads
                for step in graph.steps
            )
        )
        for graph in micro_graphs(precision)
    }


def write_device(path: Path, *, threads: tuple[int, ...] = (1, 4), slowness: float = 1.0) -> Path:
    """Write the device.json of a Raspberry Pi 5 that took these times, with each number of threads."""
    document = device_document()
    document["schema"] = 2
    document["micro_graphs"] = [
        {
            "threads": count,
            "precision": precision,
            "design": design(precision),
            "milliseconds": micro_graph_times(precision, threads=count, slowness=slowness),
        }
        for count in threads
        for precision in PRECISIONS
    ]
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
