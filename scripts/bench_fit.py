"""Compares the cost model of `edgekit fit` with measurements: held-out random candidates of its space.

    python scripts/bench_fit.py FOLDER

Exports random networks of the space with random weights, in float32 and int8, into FOLDER, which a later call
continues; measures them in turn on this machine, and prints how far the predictions of latency, file size and memory
are off, for one number of threads and for another one. Latencies are related to the reference network of the
micro-graphs, which is timed in turn with each network: between the two measurements, the machine may have become
faster or slower.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import torch

from edgekit.artifact.info import parse_info, write_info
from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.rounds import PRECISIONS, REFERENCE, open_micro_graph
from edgekit.bench.subject import noise_feed
from edgekit.export.pipeline import to_onnx
from edgekit.fit.candidate import Candidate
from edgekit.fit.cost_model import predict
from edgekit.fit.device import Device, device_named
from edgekit.fit.layers import Traces
from edgekit.fit.space import candidates
from edgekit.image.size import Size
from edgekit.quantize.candidates import CandidateBuilder
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.schemes import scheme_named
from edgekit.runtime.session import SessionOptions, open_session
from edgekit.runtime.targets import this_machine
from edgekit.zoo.build import build

_NEAR = 0.1  # relative error of a good prediction
_ROUND_S = 0.05
_IMAGES = 4  # noise, for the ranges of the int8 form
# (images, classes): photos of ImageNet's size, and CIFAR's
_SPACES = ((256, 1000), (256, 10), (32, 10))


class Row(NamedTuple):
    """A candidate's measured and predicted figures."""

    candidate: Candidate
    latency_ms: tuple[float, float]
    size_bytes: tuple[int, int]
    memory_bytes: tuple[float, float]


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60, help="candidates (default: 60)")
    parser.add_argument("--other-count", type=int, default=30, help="candidates of the other threads (default: 30)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--other-threads", type=int, default=2, help="0: leave this out")
    parser.add_argument("--rounds", type=int, default=10, help="of each candidate (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--export-only", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chosen = sample(options.count, seed=options.seed)
    paths = [export(candidate, options.folder) for candidate in chosen]
    if options.export_only:
        return
    traces = Traces()
    report(chosen, paths, threads=options.threads, rounds=options.rounds, traces=traces)
    if options.other_threads:
        part = slice(options.other_count)
        report(chosen[part], paths[part], threads=options.other_threads, rounds=options.rounds, traces=traces)


def sample(count: int, *, seed: int) -> list[Candidate]:
    """Random candidates: networks that differ, each in both precisions."""
    spaces = [candidates(classes=classes, image_size=side) for side, classes in _SPACES]
    rng, chosen, seen = random.Random(seed), list[Candidate](), set[object]()
    while len(chosen) < count:
        candidate = rng.choice(rng.choice(spaces))
        if (key := (candidate.architecture, candidate.resolution)) in seen:
            continue
        seen.add(key)
        values = candidate.to_dict()
        chosen += [Candidate.from_dict({**values, "precision": precision}) for precision in ("float32", "int8")]
    return chosen[:count]


def export(candidate: Candidate, folder: Path) -> Path:
    """The model file of a candidate with random weights, as `edgekit export` and `quantize` write it."""
    name = f"{candidate.name.replace(' ', '-').replace('/', 's')}-{candidate.classes}"
    path = folder / f"{name}.onnx"
    if path.exists():
        return path
    if candidate.precision == "int8":
        source = export(Candidate.from_dict({**candidate.to_dict(), "precision": "float32"}), folder)
        original = read_float_source(source)
        builder = CandidateBuilder(
            original.model, Noise(candidate.resolution), target=this_machine(), progress=lambda *_: None
        )
        info = parse_info(original.data, name=str(source))
        write_info(builder.build(scheme_named("int8")), info, path)
    else:
        torch.manual_seed(0)
        network = build(candidate.network, **candidate.arguments, classes=candidate.classes)
        for module in network.modules():  # as after training: biases that differ
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.bias, std=0.1)
        partial = path.with_suffix(".part.onnx")
        to_onnx(
            network,
            partial,
            preprocess=candidate.preprocess,
            labels=[f"class {number}" for number in range(candidate.classes)],
            model=candidate.network,
            arguments=candidate.arguments,
        )
        partial.rename(path)
    print(f"exported {path.name}", flush=True)
    return path


class Noise(list):  # type: ignore[type-arg]
    """Images of noise in the place of `PixelCache`."""

    def __init__(self, side: int) -> None:
        rng = np.random.default_rng(0)
        super().__init__(rng.integers(0, 256, (1, side, side, 3)).astype(np.uint8) for _ in range(_IMAGES))

    def first(self, count: int) -> list[object]:
        """The first images."""
        return self[:count]


def report(chosen: Sequence[Candidate], paths: Sequence[Path], *, threads: int, rounds: int, traces: Traces) -> None:
    """Measure, predict and print."""
    start = time.perf_counter()
    device = device_named("this", threads=threads, on_note=print)
    seconds = time.perf_counter() - start
    measured = latencies(chosen, paths, device=device, rounds=rounds)
    rows = []
    for candidate, path, latency in zip(chosen, paths, measured, strict=True):
        size = Size(candidate.resolution, candidate.resolution)
        figures = predict(traces.layers(candidate), precision=candidate.precision, input=size, device=device)
        rows.append(
            Row(
                candidate=candidate,
                latency_ms=(latency, figures.latency_ms),
                size_bytes=(path.stat().st_size, figures.size_bytes),
                memory_bytes=(live_bytes(path), figures.memory_bytes),
            )
        )
    print(f"\n{'candidate':58} {'ms':>8} {'predicted':>9} {'error':>7} {'size':>7} {'memory':>7}")
    for row in rows:
        errors = [predicted / real - 1 for real, predicted in row[1:]]
        print(
            f"{row.candidate.name:58} {row.latency_ms[0]:8.3f} {row.latency_ms[1]:9.3f}"
            + "".join(f" {100 * error:+6.1f}%" for error in errors)
        )
    summarize(rows, threads=threads, seconds=seconds)


def summarize(rows: Sequence[Row], *, threads: int, seconds: float) -> None:
    """Print the figures that the goals are about."""
    print(f"\nthreads: {threads}; micro-graphs: {seconds:.0f} s (or from the cache)")
    for name in ("float32", "int8", ""):
        part = [row for row in rows if name in ("", row.candidate.precision)]
        real, predicted = (np.array([row.latency_ms[index] for row in part]) for index in (0, 1))
        error = np.abs(predicted / real - 1)
        ranks = [np.argsort(np.argsort(values)) for values in (real, predicted)]
        print(
            f"{name or 'all':8} {len(part)} candidates: {np.mean(error <= _NEAR):.0%} within 10%, median error "
            f"{np.median(error):.1%}, largest {error.max():.1%}, rank correlation {np.corrcoef(*ranks)[0, 1]:.4f}"
        )
    for what in ("size_bytes", "memory_bytes"):
        error = np.abs([predicted / real - 1 for real, predicted in (getattr(row, what) for row in rows)])
        print(f"{what}: median error {np.median(error):.2%}, largest {error.max():.2%}")


def latencies(chosen: Sequence[Candidate], paths: Sequence[Path], *, device: Device, rounds: int) -> list[float]:
    """Milliseconds of each model at the speed at which the device was measured, all of them in turn."""
    options = SessionOptions(threads=device.threads)
    (reference,) = (graph for graph in micro_graphs("float32") if graph.name == REFERENCE)
    references = {precision: open_micro_graph(reference, precision, device.threads) for precision in PRECISIONS}
    runs = []
    for path in paths:
        session = open_session(path, name=str(path), options=options, target=this_machine().name)
        runs.append((session, noise_feed(session, str(path))))
    ratios: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for candidate, own, found in zip(chosen, runs, ratios, strict=True):
            found.append(shortest_ms(*own) / shortest_ms(*references[candidate.precision]))
    return [
        statistics.median(found) * device.models[candidate.precision].reference_ms
        for candidate, found in zip(chosen, ratios, strict=True)
    ]


def shortest_ms(session: ort.InferenceSession, feed: dict[str, Any]) -> float:
    """The shortest run within a short time."""
    best, end, count = math.inf, time.perf_counter() + _ROUND_S, 0
    while count < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        best = min(best, (time.perf_counter() - start) * 1e3)
        count += 1
    return best


def live_bytes(path: Path) -> float:
    """The weights of the optimized graph, and the largest sum of tensors between its operators, by onnxruntime.

    Integer convolutions with windows also have a pointer for each place in a window, which a profile does not show: the
    peak memory of a process grows by 8 bytes for each of them. Other shapes of a tensor are no copies.
    """
    import onnx
    from onnx import numpy_helper

    settings = ort.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 4, 1
    optimized, settings.profile_file_prefix = path.with_suffix(".optimized"), str(path.with_suffix(""))
    settings.optimized_model_filepath, settings.enable_profiling = str(optimized), True
    session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    session.run(None, noise_feed(session, str(path)))
    profile = Path(session.end_profiling())
    sizes = _output_sizes(profile)
    model = onnx.load(optimized)
    optimized.unlink()
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = sum(values.nbytes for values in constants.values())
    readers = {name: index for index, node in enumerate(model.graph.node) for name in node.input}
    live: dict[str, int] = {}
    most = 0
    for index, node in enumerate(model.graph.node):
        written = live.pop(node.input[0], 0) if node.op_type == "Reshape" else sizes.get(node.name, 0)
        live |= dict.fromkeys(node.output, 0) | {node.output[0]: written}
        most = max(most, sum(live.values()) + _pointer_bytes(node, written, constants))
        live = {name: size for name, size in live.items() if readers.get(name, -1) > index}
    return weights + most


def _pointer_bytes(node: Any, written: int, constants: Mapping[str, np.ndarray[Any, Any]]) -> int:
    """8 bytes for each position of the output and of the window, if it is a quantized convolution with windows."""
    if node.op_type != "QLinearConv":
        return 0
    channels, _, *window = constants[node.input[3]].shape
    strides = next((list(entry.ints) for entry in node.attribute if entry.name == "strides"), [1, 1])
    return 8 * written // channels * math.prod(window) if [*window, *strides] != [1, 1, 1, 1] else 0


def _output_sizes(profile: Path) -> dict[str, int]:
    """Bytes of the output of each node, from a profile, which is removed."""
    import json

    events = json.loads(profile.read_text(encoding="utf-8"))
    profile.unlink()
    ending = "_kernel_time"
    return {
        event["name"].removesuffix(ending): int(event["args"]["output_size"])
        for event in events
        if event.get("cat") == "Node" and event["name"].endswith(ending)
    }


if __name__ == "__main__":
    main()
