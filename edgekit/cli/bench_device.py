"""`edgekit bench --device`: what another device measured, beside this machine."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgekit.cli.layout import paragraph
from edgekit.cli.render import write, write_message
from edgekit.cli.tables import table
from edgekit.errors import listed, printable

if TYPE_CHECKING:
    from edgekit.bench.device import Device, DeviceLatency, DeviceModel, Spread
    from edgekit.bench.result import BenchResult, SubjectResult
    from edgekit.evaluate.intervals import Interval

# Instructions that decide how fast int8 is, by their names in Linux and in macOS.
_INT8_FEATURES = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "FEAT_DotProd", "FEAT_I8MM")
_ARM = ("aarch64", "arm64")  # by its names in Linux and Windows, and in macOS
_NOTABLE_DRIFT = 1.1


def choose_models(device: Device, models: Sequence[str], *, name: str) -> list[DeviceModel]:
    """The models of the device that are the same files as `models`, in their order; all of them if none are named.

    Raises:
        SpecError: the device did not measure one of them. name: of its document, for the message.
    """
    from edgekit.artifact.info import read_model
    from edgekit.errors import SpecError
    from edgekit.files import sha256
    from edgekit.hub.model_files import model_path

    by_digest = {model.sha256: model for model in device.models}
    chosen = []
    for path_or_name in models:
        digest = sha256(read_model(model_path(path_or_name)))
        if digest not in by_digest:
            measured = listed(model.name for model in device.models)
            raise SpecError(
                f"{path_or_name}: {name} has no figures of this file (it has: {measured}); measure it on the device: "
                f"edgekit bundle {shlex.quote(path_or_name)} --for python --bench -o kit"
            )
        chosen.append(by_digest[digest])
    return chosen or list(device.models)


def timed_here(models: Sequence[str]) -> list[str]:
    """Those of the models that this machine can time, with a note about the others."""
    from edgekit.artifact.info import parse_info, read_model
    from edgekit.hub.model_files import model_path
    from edgekit.runtime.targets import is_timed_here

    timed = []
    for path_or_name in models:
        target = parse_info(read_model(model_path(path_or_name)), name=path_or_name).target
        if is_timed_here(target):
            timed.append(path_or_name)
        else:
            write_message(f"note: {path_or_name} is made for {target}, and not measured here")
    return timed


def device_document(device: Device, models: Sequence[DeviceModel], here: BenchResult | None) -> dict[str, Any]:
    """The figures of both as JSON-ready values."""
    chosen = dataclasses.replace(device, models=tuple(models))
    speedups = [
        {"baseline": models[0].name, "other": model.name, "threads": latency.threads, "times": times.to_dict()}
        for model in models[1:]
        for latency in model.network
        if (times := model.speedup(models[0], latency.threads)) is not None
    ]
    return {
        "schema": 1,
        "device": dataclasses.asdict(chosen) | {"speedups": speedups},
        "here": None if here is None else here.to_dict(),
    }


def write_device(device: Device, models: Sequence[DeviceModel], here: BenchResult | None) -> None:
    """Print the device, what opening its models costs, and the latency of their networks, beside this machine's."""
    for line in _facts(device):
        write(paragraph(printable(line), indent="  "))
    write("")
    header = ("on the device", "precision", "MB", "golden vectors", "cold start (ms)", "session (ms)", "peak MB")
    write(table(header, map(_cost_row, models)))
    write("")
    columns = ("network only", "threads", "device (ms)", "quartiles", *(("here (ms)",) if here else ()))
    write(table(columns, [_latency_row(model, run, here) for model in models for run in model.network]))
    speedups = [_speedup_row(model, models[0], run.threads, here) for model in models[1:] for run in model.network]
    if speedups:
        write("")
        machines = ("device", "here") if here else ("device",)
        write(table((f"speedup over {models[0].name}", "threads", *machines), speedups))
    for note in _notes(device, models):
        write_message(f"note: {note}")


def _facts(device: Device) -> list[str]:
    parts = [device.name, device.processor, f"{device.cores} cores", device.architecture]
    parts += [feature for feature in device.features or () if feature in _INT8_FEATURES]
    if device.memory_bytes is not None:
        parts.append(f"{device.memory_bytes / 2**30:.1f} GiB of memory")
    versions = ", ".join(f"{name} {version}" for name, version in device.versions.items())
    lines = [
        f"device: {', '.join(filter(None, parts))}",
        f"measured {device.created} on {device.system} with {versions}",
    ]
    temperature, frequency = device.conditions.temperature_c, device.conditions.frequency_mhz
    if temperature:
        lines.append(f"temperature: {temperature['before']:.0f} to {temperature['highest']:.0f} degrees Celsius")
    if frequency:
        lowest, highest = frequency["lowest"], max(frequency.values())
        lines.append(f"clock: {lowest:.0f} to {highest:.0f} MHz")
    return lines


def _cost_row(model: DeviceModel) -> Sequence[str]:
    peak = model.peak_memory_bytes
    return (
        model.name,
        model.precision,
        f"{model.size_bytes / 1e6:.2f}",
        f"within {model.largest_difference:.2g}" if model.passed else "WRONG",
        _median(model.cold_start, 0),
        _median(model.session, 1),
        "-" if peak is None else f"{peak / 1e6:.0f}",
    )


def _median(spread: Spread | None, decimals: int) -> str:
    return "-" if spread is None else f"{spread.median:.{decimals}f}"


def _latency_row(model: DeviceModel, run: DeviceLatency, here: BenchResult | None) -> Sequence[str]:
    spread = run.spread
    row = model.name, str(run.threads), _ms(spread.median), f"{_ms(spread.low)} to {_ms(spread.high)}"
    if here is None:
        return row
    network = [result.network for result in here.subjects if _is_file_of(model, result)]
    same = [own.latency.p50_ms for runs in network for own in runs if own.threads == run.threads]
    return (*row, _ms(same[0]) if same else "-")


def _speedup_row(model: DeviceModel, baseline: DeviceModel, threads: int, here: BenchResult | None) -> Sequence[str]:
    """The speedups on each machine; a dash if one of the two models was not measured there."""
    row = model.name, str(threads), _interval(model.speedup(baseline, threads))
    if here is None:
        return row
    names = [[r.subject.name for r in here.subjects if _is_file_of(m, r)] for m in (baseline, model)]
    what = f"network, {threads} thread{'s' if threads > 1 else ''}"
    same = [s.times for s in here.speedups if s.baseline in names[0] and s.other in names[1] and s.what == what]
    return (*row, _interval(same[0] if same else None))


def _is_file_of(model: DeviceModel, result: SubjectResult) -> bool:
    from edgekit.files import sha256

    return sha256(result.subject.model) == model.sha256


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.3f}" if milliseconds < 10 else f"{milliseconds:.1f}"


def _interval(times: Interval | None) -> str:
    return "-" if times is None else f"{times.value:.2f} ({times.low:.2f} to {times.high:.2f})"


def _notes(device: Device, models: Sequence[DeviceModel]) -> list[str]:
    """What makes figures untrustworthy."""
    from edgekit.runtime.targets import has_signed_activations

    notes = [
        f"{model.name} computed something else on the device than here (logits differ by "
        f"{model.largest_difference:.2g}), so it was not timed"
        for model in models
        if not model.passed
    ]
    notes += [
        f"{model.name} is made for {model.target}: on {device.architecture} it is computed exactly, but slowly"
        for model in models
        if has_signed_activations(model.target) and device.architecture.lower() not in _ARM
    ]
    if device.conditions.throttled:
        notes.append("the device throttled its processor: it was hot, or its power supply is weak")
    drift = device.conditions.drift
    if drift is not None and drift > _NOTABLE_DRIFT:
        notes.append(f"the last rounds took {drift:.2f} times as long as the first: the device became hot or busy")
    return notes
