"""What another device measured: the document that bench.pyz, bench.html and bench.mjs print, schema 2.

    schema      2; 1, which bench.html and bench.mjs print, has no micro_graphs
    edgekit     version that wrote the kit
    created     date and time (UTC) of the measurement, such as "2026-11-28T09:00:00Z"
    device      name (of the board), processor, architecture, cores, features (instructions), memory_bytes, system
    versions    of what computed: onnxruntime, numpy, python; onnxruntime-web in a browser and in Node.js
    settings    rounds, seconds (of a round of one model)
    conditions  temperature_c (before, highest, after), frequency_mhz (before, lowest, after, maximum), throttled, drift
                (how many times as long the last third of the rounds took as the first)
    models      one entry each: name, file, sha256 and bytes (of the file), precision, target,
        golden             vectors, same_labels, largest_difference (of a logit), tolerance, passed
        session_ms         median, low, high (quartiles): opening the model
        cold_start_ms      the same: a process that starts, opens the model, predicts once and ends
        peak_memory_bytes  of that process
        network            one entry for each number of threads: threads, median_ms, low_ms and high_ms (quartiles of
                           all runs), runs, rounds_ms (the median of each round)
    micro_graphs  one entry for each number of threads and precision: threads, precision, design (a digest of the
                micro-graphs, see bench.micro_graphs), milliseconds (of the fastest run, by name); empty with
                --no-micro-graphs

Null is what the device cannot tell. A model that failed its golden vectors has no timings: session_ms, cold_start_ms
and peak_memory_bytes are null, network is empty.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.artifact.json_document import parse_json_object
from edgekit.bench.fields import Fields
from edgekit.bench.micro_graph_times import MicroGraphTimes, micro_graph_times
from edgekit.errors import ArtifactError, DataError, quote
from edgekit.evaluate.intervals import Interval, median_interval
from edgekit.files import read_regular_file

SCHEMA = 2
_WITHOUT_MICRO_GRAPHS = 1
_MAX_BYTES = 8 * 2**20
_MAX_MODELS, _MAX_THREADS, _MAX_ROUNDS = 1000, 256, 1000
_MAX_CORES = 2**16
_DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_TEMPERATURES = ("before", "highest", "after")
_FREQUENCIES = ("before", "lowest", "after", "maximum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Timings of the same work, in milliseconds.

    Attributes:
        median: half of them are below.
        low: a quarter of them is below.
        high: three quarters of them are below.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLatency:
    """Latency of a network on the device, for one image.

    Attributes:
        threads: intra-op threads.
        spread: of all runs, in milliseconds.
        rounds_ms: the median of each round; the rounds of all models alternated.
    """

    threads: int
    spread: Spread
    rounds_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceModel:
    """A model as the device measured it.

    Attributes:
        name: what the kit calls it.
        sha256: of the model file, hexadecimal.
        size_bytes: of the model file.
        precision: as the model file states it.
        target: what it was quantized for; None if it was not.
        passed: whether it computed its golden vectors on the device; if not, it was not timed.
        largest_difference: of a logit from the golden one.
        session: opening the model; None if not measured.
        cold_start: a whole process that predicts once; None if not measured.
        peak_memory_bytes: of that process; None if not measured.
        network: latency of the network, for each number of threads.
    """

    name: str
    sha256: str
    size_bytes: int
    precision: str
    target: str | None
    passed: bool
    largest_difference: float
    session: Spread | None
    cold_start: Spread | None
    peak_memory_bytes: int | None
    network: tuple[DeviceLatency, ...]

    def latency(self, threads: int) -> DeviceLatency | None:
        """The latency with this number of threads; None if it was not measured."""
        return next((latency for latency in self.network if latency.threads == threads), None)

    def speedup(self, baseline: DeviceModel, threads: int) -> Interval | None:
        """How many times as fast this model is on the device as another one of the same measurement.

        Args:
            baseline: the other model.
            threads: intra-op threads of both.

        Returns:
            The median over the rounds of the ratio of both, with its 95% interval; None if one was not measured.
        """
        pair = baseline.latency(threads), self.latency(threads)
        if pair[0] is None or pair[1] is None:
            return None
        return median_interval([base / own for base, own in zip(pair[0].rounds_ms, pair[1].rounds_ms, strict=True)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What heated and slowed the processor meanwhile; None is what could not be read.

    Attributes:
        temperature_c: degrees Celsius before, highest and after.
        frequency_mhz: of the processor before, lowest and after, and its maximum if it is known.
        throttled: whether the processor was slowed down.
        drift: how many times as long the last third of the rounds took as the first.
    """

    temperature_c: Mapping[str, float] | None
    frequency_mhz: Mapping[str, float] | None
    throttled: bool | None
    drift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device and what it measured.

    Attributes:
        name: of the board or the computer; None if unknown.
        processor: its name; None if unknown.
        architecture: such as "aarch64".
        cores: that the measurement could use.
        features: names of the processor's instructions; None if unknown.
        memory_bytes: of the device; None if unknown.
        system: its operating system or browser.
        versions: of what computed.
        created: date and time (UTC).
        conditions: what the figures were measured under.
        models: what was measured, in the order of the kit.
        micro_graphs: what operators take there; empty if that was not measured.
    """

    name: str | None
    processor: str | None
    architecture: str
    cores: int
    features: tuple[str, ...] | None
    memory_bytes: int | None
    system: str
    versions: Mapping[str, str]
    created: str
    conditions: Conditions
    models: tuple[DeviceModel, ...]
    micro_graphs: tuple[MicroGraphTimes, ...] = ()

    @property
    def thread_counts(self) -> list[int]:
        """The numbers of threads that something was measured with, ascending."""
        return sorted({latency.threads for model in self.models for latency in model.network})


def read_device(path: str | os.PathLike[str]) -> Device:
    """Read what a device measured.

    Args:
        path: the document that `python bench.pyz > device.json` wrote.

    Raises:
        DataError: it is not such a document; the message names the value that is wrong.

    Example:
        >>> from edgekit.bench.device import read_device
        >>> read_device("device.json").models[0].network[0].threads  # doctest: +SKIP
        1
    """
    name = os.fspath(path)
    content = read_regular_file(name, max_bytes=_MAX_BYTES, error=DataError)
    try:
        document = parse_json_object(content.decode(), what="the document")
    except UnicodeDecodeError:
        raise DataError(f"{name}: not a file that bench.pyz prints; run: python bench.pyz > device.json") from None
    except ArtifactError as error:
        raise DataError(f"{name}: not a file that bench.pyz prints: {error}") from None
    schema = document.get("schema")
    if "device" not in document or isinstance(schema, bool) or not isinstance(schema, int):
        raise DataError(f"{name}: not a file that bench.pyz prints; run: python bench.pyz > device.json")
    if schema not in (SCHEMA, _WITHOUT_MICRO_GRAPHS):
        raise DataError(f"{name}: has schema {quote(schema)}; this edgekit reads {_WITHOUT_MICRO_GRAPHS} and {SCHEMA}")
    return _device(Fields(document, name), has_micro_graphs=schema == SCHEMA)


def _device(document: Fields, *, has_micro_graphs: bool) -> Device:
    about = document.object("device")
    rounds = document.object("settings").integer("rounds", least=1, most=_MAX_ROUNDS)
    models = tuple(_model(entry, rounds) for entry in document.objects("models", most=_MAX_MODELS))
    names = [model.name for model in models]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise document.error("models", f"has the name {quote(repeated)} twice")
    return Device(
        name=about.text("name") if about.has("name") else None,
        processor=about.text("processor") if about.has("processor") else None,
        architecture=about.text("architecture"),
        cores=about.integer("cores", least=1, most=_MAX_CORES),
        features=about.texts("features") if about.has("features") else None,
        memory_bytes=about.integer("memory_bytes", least=1) if about.has("memory_bytes") else None,
        system=about.text("system"),
        versions=document.object("versions").present_texts(),
        created=document.text("created", pattern=_DATE, form="a date such as 2026-11-28T09:00:00Z"),
        conditions=_conditions(document.object("conditions")),
        models=models,
        micro_graphs=tuple(map(micro_graph_times, document.objects("micro_graphs", most=2 * _MAX_THREADS)))
        if has_micro_graphs
        else (),
    )


def _conditions(fields: Fields) -> Conditions:
    temperature = fields.object("temperature_c") if fields.has("temperature_c") else None
    frequency = fields.object("frequency_mhz") if fields.has("frequency_mhz") else None
    return Conditions(
        temperature_c={key: temperature.number(key) for key in _TEMPERATURES} if temperature else None,
        frequency_mhz={key: frequency.number(key, positive=True) for key in _FREQUENCIES if frequency.has(key)}
        if frequency
        else None,
        throttled=fields.flag("throttled") if fields.has("throttled") else None,
        drift=fields.number("drift", positive=True) if fields.has("drift") else None,
    )


def _model(fields: Fields, rounds: int) -> DeviceModel:
    golden = fields.object("golden")
    network = tuple(_latency(entry, rounds) for entry in fields.objects("network", most=_MAX_THREADS))
    counts = [latency.threads for latency in network]
    if len(set(counts)) < len(counts):
        raise fields.error("network", "has the same number of threads twice")
    return DeviceModel(
        name=fields.text("name"),
        sha256=fields.text("sha256", pattern="[0-9a-f]{64}", form="64 hexadecimal digits"),
        size_bytes=fields.integer("bytes", least=1),
        precision=fields.text("precision"),
        target=fields.text("target") if fields.has("target") else None,
        passed=golden.flag("passed"),
        largest_difference=golden.number("largest_difference"),
        session=_spread(fields.object("session_ms"), "") if fields.has("session_ms") else None,
        cold_start=_spread(fields.object("cold_start_ms"), "") if fields.has("cold_start_ms") else None,
        peak_memory_bytes=fields.integer("peak_memory_bytes", least=1) if fields.has("peak_memory_bytes") else None,
        network=network,
    )


def _latency(fields: Fields, rounds: int) -> DeviceLatency:
    return DeviceLatency(
        threads=fields.integer("threads", least=1, most=_MAX_THREADS),
        spread=_spread(fields, "_ms"),
        rounds_ms=fields.positive_numbers("rounds_ms", count=rounds),
    )


def _spread(fields: Fields, unit: str) -> Spread:
    """A median and quartiles. unit: the end of their keys."""
    low, median, high = (fields.number(f"{key}{unit}", positive=True) for key in ("low", "median", "high"))
    if not low <= median <= high:
        raise fields.error(f"median{unit}", f"must lie between the quartiles (got {low:g}, {median:g}, {high:g})")
    return Spread(median=median, low=low, high=high)
