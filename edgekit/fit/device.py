"""A device and what micro-graphs take on it: this machine, measured now or before, or the device.json of a kit."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from edgekit.artifact.json_document import parse_json_object
from edgekit.bench.device import read_device
from edgekit.bench.micro_graph_times import MicroGraphTimes
from edgekit.bench.micro_graphs.designed import design, micro_graphs
from edgekit.bench.micro_graphs.rounds import PASSES, PRECISIONS, measure_pass, median_times, reference_times
from edgekit.errors import ArtifactError, DataError, SpecError, check_types, quote
from edgekit.files import sha256, write_atomically
from edgekit.fit.cost_model import CostModel, fitted_model
from edgekit.hub.model_files import cache_folder
from edgekit.runtime.cpu import VNNI, available_threads, check_threads, processor
from edgekit.runtime.targets import TARGETS, Target, this_machine
from edgekit.stages import StageProgress, no_progress, step_counter

THIS = "this"
_STAGE = "measuring this machine"
_MAX_BYTES = 2**20  # of a file in the cache
_ARM = ("aarch64", "arm64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that networks are fitted to.

    Attributes:
        name: of the board or the processor.
        threads: intra-op threads that its figures are for.
        is_here: whether it is this machine, so that models can be measured on it.
        source: where its figures come from, "measured here" or a file.
        created: date and time (UTC) of the measurement, such as "2026-11-28T09:00:00Z".
        runtime: what computed, such as "onnxruntime 1.31.1".
        target: processor that int8 models for it are built for.
        models: the latency of networks by precision.
    """

    name: str
    threads: int
    is_here: bool
    source: str
    created: str
    runtime: str
    target: Target
    models: Mapping[str, CostModel]


def device_named(
    device: str | os.PathLike[str] = THIS,
    *,
    threads: int | None = None,
    progress: StageProgress = no_progress,
    on_note: Callable[[str], None] = lambda note: None,
) -> Device:
    """Measure this machine, or read what a bench kit measured on another one.

    What this machine measured is kept in the user's cache folder, for each processor, number of threads and version of
    onnxruntime. A measurement that was interrupted is continued.

    Args:
        device: "this", or the device.json that `python bench.pyz` of a kit wrote.
        threads: intra-op threads (default: the cores available here; of a file, the most that it was measured with).
        progress: called with the micro-graphs measured so far.
        on_note: called with a line if this machine is measured now.

    Raises:
        SpecError: `threads` is not possible, or not what the file was measured with.
        DataError: not a file that bench.pyz wrote, or one without times of micro-graphs.

    Example:
        >>> from edgekit.fit import device_named
        >>> device = device_named("pi.json")
        >>> device.threads, device.is_here
        (4, False)
    """
    check_types(str | os.PathLike, device=device)
    if threads is not None:
        check_threads(threads, "threads")
    if os.fspath(device) == THIS:
        return _this_device(available_threads() if threads is None else threads, progress, on_note)
    return _read_device(os.fspath(device), threads)


def _this_device(threads: int, progress: StageProgress, on_note: Callable[[str], None]) -> Device:
    facts = processor()
    runtime = f"onnxruntime {ort.__version__}"
    key = [facts["processor"], facts["int8_features"], runtime, threads, *map(design, PRECISIONS)]
    path = Path(cache_folder()) / "devices" / f"{sha256(json.dumps(key).encode())[:16]}.json"
    store = _Store(path)
    if not store.is_complete():
        on_note(f"measuring this machine, which takes two to three minutes; the figures are kept in {path}")
        _measure(store, threads, progress)
    return Device(
        name=facts["processor"],
        threads=threads,
        is_here=True,
        source="measured here",
        created=store.created,
        runtime=runtime,
        target=this_machine(),
        models={precision: fitted_model(store.times(precision), precision=precision) for precision in PRECISIONS},
    )


class _Store:
    """The times measured so far, in a file of the cache: for each pass and precision, milliseconds by micro-graph."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.created = ""
        self.references: dict[str, float] = {}  # milliseconds of the reference network by precision
        self.passes: list[dict[str, dict[str, float]]] = [{name: {} for name in PRECISIONS} for _ in range(PASSES)]
        try:
            document = parse_json_object(path.read_text(encoding="utf-8"), what="the file")
            passes = [{name: _milliseconds(part[name]) for name in PRECISIONS} for part in document["passes"]]
            if len(passes) == PASSES:
                self.references = {name: _milliseconds(document["references"])[name] for name in PRECISIONS}
                self.passes, self.created = passes, str(document["created"])
        except (OSError, ValueError, KeyError, TypeError, ArtifactError):
            pass  # absent or damaged: measured again

    def is_complete(self) -> bool:
        """Whether every pass has every micro-graph."""
        return all(not self.missing(number, name) for number in range(PASSES) for name in PRECISIONS)

    def missing(self, number: int, precision: str) -> list[str]:
        """The micro-graphs that a pass still has to measure."""
        return [graph.name for graph in micro_graphs(precision) if graph.name not in self.passes[number][precision]]

    def add(self, number: int, precision: str, times: Mapping[str, float]) -> None:
        """Keep what a pass measured, also if the process ends now."""
        self.passes[number][precision] |= times
        self.created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {"created": self.created, "references": self.references, "passes": self.passes}
        write_atomically(self.path, json.dumps(document).encode())

    def times(self, precision: str) -> dict[str, float]:
        """The median time of each micro-graph."""
        return median_times([part[precision] for part in self.passes])


def _milliseconds(values: Any) -> dict[str, float]:
    """Times from a file of the cache. Raises ValueError or TypeError if they are none."""
    times = {str(name): float(value) for name, value in dict(values).items()}
    if not all(np.isfinite(value) and value > 0 for value in times.values()):
        raise ValueError("not times")
    return times


def _measure(store: _Store, threads: int, progress: StageProgress) -> None:
    """Measure what the store lacks."""
    everything = {name: micro_graphs(name) for name in PRECISIONS}
    store.references = store.references or reference_times(threads)
    step = step_counter(progress, _STAGE, PASSES * sum(map(len, everything.values())))
    for number in range(PASSES):
        for precision, graphs in everything.items():
            missing = set(store.missing(number, precision))
            for _ in range(len(graphs) - len(missing)):
                step()
            waiting = [graph for graph in graphs if graph.name in missing]
            reference_ms = store.references[precision]
            for times in measure_pass(
                waiting, precision=precision, threads=threads, reference_ms=reference_ms, on_graph=step
            ):
                store.add(number, precision, times)


def _read_device(path: str, threads: int | None) -> Device:
    measured = read_device(path)
    again = "measure it again with the bench.pyz of a kit that this edgekit writes"
    if not measured.micro_graphs:
        raise DataError(f"{path}: has no times of micro-graphs, from which latencies are predicted; {again}")
    available = sorted({times.threads for times in measured.micro_graphs})
    count = available[-1] if threads is None else threads
    if count not in available:
        listed = ", ".join(map(str, available))
        raise SpecError(f"`threads` must be a number that {path} was measured with: {listed} (got {count})")
    chosen = {times.precision: times for times in measured.micro_graphs if times.threads == count}
    for precision in PRECISIONS:
        if precision not in chosen or not _is_of_this_design(chosen[precision]):
            raise DataError(f"{path}: was measured with other micro-graphs in {precision}; {again}")
    name = measured.name or measured.processor or measured.architecture
    return Device(
        name=name,
        threads=count,
        is_here=False,
        source=path,
        created=measured.created,
        runtime=f"onnxruntime {measured.versions.get('onnxruntime', '')}".strip(),
        target=_target(measured.architecture, measured.features),
        models={key: fitted_model(chosen[key].milliseconds, precision=key) for key in PRECISIONS},
    )


def _is_of_this_design(times: MicroGraphTimes) -> bool:
    names = {graph.name for graph in micro_graphs(times.precision)}
    return times.design == design(times.precision) and names == set(times.milliseconds)


def _target(architecture: str, features: tuple[str, ...] | None) -> Target:
    """The target of a processor elsewhere, as `this_machine` finds it."""
    if architecture.lower() in _ARM:
        return TARGETS["arm64"]
    if architecture.lower() not in ("x86_64", "amd64"):
        raise DataError(f"no int8 target for the architecture {quote(architecture)}; known: x86_64, aarch64")
    return TARGETS["x86-vnni" if VNNI & set(features or ()) else "x86-avx2"]
