"""Where the milliseconds of a model file go, by the cost model of a device."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.artifact.guard.scan import check_model
from edgekit.artifact.info import parse_info, read_model
from edgekit.bench.micro_graphs.steps import Step
from edgekit.bench.subject import noise_feed
from edgekit.errors import ArtifactError, check_types
from edgekit.fit.device import Device
from edgekit.fit.operators import operators_of
from edgekit.hub.model_files import model_path
from edgekit.runtime.session import SessionOptions, open_session

_MEASURED_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationRow:
    """All operators of one kind.

    Attributes:
        kind: such as "pointwise convolution", "depthwise 3x3, stride 2" or "pixels".
        count: number of operators.
        macs: their multiply-accumulates.
        predicted_ms: their predicted milliseconds.
        share: of the predicted time of the whole network, 0 to 1.
    """

    kind: str
    count: int
    macs: int
    predicted_ms: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where the time of a model goes.

    Attributes:
        model: name of the file.
        rows: kinds of operators, the slowest first; the last one is what a run takes besides them.
        predicted_ms: predicted latency of the network.
        measured_ms: measured latency; None if the device is not here.
    """

    model: str
    rows: tuple[ExplanationRow, ...]
    predicted_ms: float
    measured_ms: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self) | {"rows": [asdict(row) for row in self.rows]}


def explain(model: str | os.PathLike[str], device: Device) -> Explanation:
    """Predict how much of a model's latency each kind of operator takes.

    Args:
        model: an edgekit model file, or the name of a built-in model, in float32 or int8.
        device: by `device_named`.

    Returns:
        The predicted times, and the measured latency if the device is this machine.

    Raises:
        ArtifactError: not an edgekit model, or one with an operator that no micro-graph stands for.

    Example:
        >>> from edgekit.fit import device_named, explain
        >>> explanation = explain("mobilenet_v2-cifar10-int8", device_named("pi.json"))
        >>> explanation.rows[0].kind, explanation.measured_ms
        ('pointwise convolution', None)
    """
    check_types(str | os.PathLike, model=model)
    check_types(Device, device=device)
    path = model_path(model)
    content = read_model(path)
    info = parse_info(content, name=str(path))
    check_model(content, name=str(path))
    network = operators_of(content, name=str(path))
    cost_model = device.models[network.precision]
    groups: dict[str, list[Step]] = defaultdict(list)
    try:
        predicted = cost_model.latency_ms(network.operators)
        for operator in network.operators:
            groups[_kind(operator)].append(operator)
        times = {kind: sum(map(cost_model.operator_ms, members)) for kind, members in groups.items()}
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None
    rows = [
        ExplanationRow(
            kind=kind,
            count=len(members),
            macs=sum(member.macs for member in members),
            predicted_ms=times[kind],
            share=times[kind] / predicted,
        )
        for kind, members in groups.items()
    ]
    rows.sort(key=lambda row: -row.predicted_ms)
    rest = max(predicted - sum(times.values()), 0.0)
    rows.append(ExplanationRow(kind="the run itself", count=1, macs=0, predicted_ms=rest, share=rest / predicted))
    measured = _measured_ms(content, str(path), info.target, device.threads) if device.is_here else None
    return Explanation(model=str(path), rows=tuple(rows), predicted_ms=predicted, measured_ms=measured)


def _kind(step: Step) -> str:
    """What people call an operator."""
    if step.kind == "conv":
        kernel = "x".join(map(str, step.kernel))
        stride = f", stride {step.stride[0]}" if step.stride[0] > 1 else ""
        if step.is_depthwise:
            return f"depthwise {kernel}{stride}"
        if step.output == (1, 1) and step.input == (1, 1):
            return "convolution of a vector"
        return f"pointwise convolution{stride}" if kernel == "1x1" else f"convolution {kernel}{stride}"
    names = {
        "mean": "mean over the grid",
        "mul": "gate",
        "add": "sum",
        "linear": "fully connected",
        "max_pool": "pooling",
    }
    return step.activation if step.kind == "activation" else names.get(step.kind, step.kind)


def _measured_ms(content: bytes, name: str, target: str | None, threads: int) -> float:
    """The shortest run, which is what the micro-graphs are timed by."""
    session = open_session(content, name=name, options=SessionOptions(threads=threads), target=target)
    feed = noise_feed(session, name)
    best, end = float("inf"), time.perf_counter() + _MEASURED_S
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        best = min(best, (time.perf_counter() - start) * 1e3)
    return best
