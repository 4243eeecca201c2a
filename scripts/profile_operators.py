"""Where the time of a network goes: the share of each kind of operator, and its speed against the processor's peak.

    python scripts/profile_operators.py MODEL... [--runs 200] [--threads 1]

MODEL is an edgekit model, a file or a name. The peak is that of a matrix product of 1,024 x 1,024 x 1,024 in the
arithmetic of the model, uint8 by int8 or float32, in the same process. Prints one JSON document: for each model the
milliseconds of a run (the sum of the medians of its nodes), and for each kind of operator the number of nodes, their
milliseconds, their share of the run, and for those that multiply the GMAC/s and their ratio to the peak.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from edgekit.artifact.info import parse_info, read_model
from edgekit.hub.model_files import model_path
from edgekit.runtime.session import SessionOptions

_EXTENT = 1024  # of the matrices


class Node(NamedTuple):
    """A node as onnxruntime runs it: its operator, the shapes of its constants of two or more axes, and its events."""

    operator: str
    weights: list[tuple[int, ...]]
    events: list[Mapping[str, Any]]


def profile(model: bytes, pixels: np.ndarray, *, runs: int, threads: int) -> list[Node]:
    """The nodes of the graph after onnxruntime's rewriting, with one event for each run."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = threads, True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(None, {"pixels": pixels})
        events = json.loads(Path(session.end_profiling()).read_text())
        graph = onnx.load(options.optimized_model_filepath).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer if len(tensor.dims) > 1}
    nodes = {
        f"{node.name}_kernel_time": Node(node.op_type, [shapes[name] for name in node.input if name in shapes], [])
        for node in graph.node
    }
    for event in events:
        if event["name"] in nodes:
            nodes[event["name"]].events.append(event)
    return [node for node in nodes.values() if node.events]


def kind_and_macs(node: Node) -> tuple[str, int]:
    """What kind of operator a node is, and its multiply-accumulates; 0 for one that is not a product."""
    if "Conv" in node.operator:
        (weight,) = node.weights
        kind = "depthwise" if weight[1] == 1 else "pointwise" if weight[2:] == (1, 1) else "other"
        outputs = math.prod(next(iter(node.events[0]["args"]["output_type_shape"][0].values())))
        return f"convolution, {kind}", outputs * math.prod(weight[1:])
    if node.operator in ("Gemm", "MatMul", "QGemm", "QLinearMatMul"):
        (weight,) = node.weights
        return "linear", math.prod(weight)  # for one image
    return node.operator, 0


def peak(*, is_int8: bool, threads: int) -> float:
    """GMAC/s of a large matrix product."""
    left, right, out = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32) if is_int8 else (TensorProto.FLOAT,) * 3
    shape = [_EXTENT, _EXTENT]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if is_int8 else "MatMul", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", left, shape)],
        [helper.make_tensor_value_info("c", out, shape)],
        [helper.make_tensor("b", right, shape, np.ones(shape, np.int8 if is_int8 else np.float32).tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"a": np.ones(shape, np.uint8 if is_int8 else np.float32)}
    times = []
    for _ in range(30):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    return _EXTENT**3 / min(times) / 1e9


def report(name: str, *, runs: int, threads: int) -> dict[str, Any]:
    """The shares of one model."""
    model = read_model(model_path(name), max_bytes=SessionOptions().limits.max_bytes)
    info = parse_info(model, name=name)
    pixels = np.random.default_rng(0).integers(0, 256, (1, *info.preprocess.crop, info.preprocess.channels), np.uint8)
    top = peak(is_int8=info.precision == "int8", threads=threads)
    nodes, ms, macs = defaultdict(int), defaultdict(float), defaultdict(int)
    for node in profile(model, pixels, runs=runs, threads=threads):
        kind, products = kind_and_macs(node)
        nodes[kind] += 1
        ms[kind] += statistics.median(event["dur"] for event in node.events) / 1e3
        macs[kind] += products
    total = sum(ms.values())
    rows = {}
    for kind in sorted(ms, key=ms.__getitem__, reverse=True):
        rows[kind] = {"nodes": nodes[kind], "ms": round(ms[kind], 3), "share": round(ms[kind] / total, 3)}
        if macs[kind]:
            speed = macs[kind] / (ms[kind] / 1e3) / 1e9
            rows[kind] |= {"gmac_per_s": round(speed, 1), "of_peak": round(speed / top, 3)}
    return {"ms": round(total, 3), "peak_gmac_per_s": round(top, 1), "operators": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps({name: report(name, runs=args.runs, threads=args.threads) for name in args.models}, indent=1))


if __name__ == "__main__":
    main()
