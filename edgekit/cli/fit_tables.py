"""What `edgekit fit` prints: the chosen model, the best candidates, scalings without data, where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgekit.cli.layout import paragraph
from edgekit.cli.render import percent, write, write_message
from edgekit.cli.tables import facts, table
from edgekit.errors import printable
from edgekit.fit.figures_text import budget_text, device_text, figures_text, milliseconds
from edgekit.fit.front import best_first

if TYPE_CHECKING:
    from edgekit.fit import Device, Explanation, Fitted, FrontPoint, Scalings

_SHOWN = 10
_COSTS = ("latency (ms)", "MB", "memory (MB)")


def write_fitted(fitted: Fitted) -> None:
    """Print the device, the best candidates, and the chosen one with the reason."""
    write(facts([("device", device_text(fitted.device)), ("budget", budget_text(fitted.budget))], width=6))
    inside = [point for point in fitted.points if fitted.budget.admits(point.figures)]
    trained = [point for point in fitted.points if point.accuracy is not None]
    shown = best_first(trained or inside)[:_SHOWN]
    write(f"\n{len(inside)} of {len(fitted.points)} candidates are inside the budget; the best {len(shown)}:")
    columns = ("held-out", "rung") if trained else ("ImageNet (expected)",)
    rows = [(point.name, *_costs(point), *_accuracy_cells(point)) for point in shown]
    write(table(("candidate", *_COSTS, *columns), rows))
    if fitted.chosen is not None:
        how = "measured" if fitted.device.is_here else "latency predicted"
        write("")
        write(paragraph(printable(f"chosen: {fitted.chosen.name}: {figures_text(fitted.chosen.figures)} ({how})")))
        write(paragraph(printable(fitted.reason)))
        write(paragraph(_accuracy(fitted)))


def _accuracy(fitted: Fitted) -> str:
    before = percent(fitted.val_accuracy)
    if fitted.quantized_accuracy is None:
        return f"accuracy on {fitted.val_images} val images: {before}"
    after = percent(fitted.quantized_accuracy)
    return f"accuracy on {fitted.val_images} val images: {after} (float32: {before}), {fitted.verdict}"


def write_scalings(found: Scalings) -> None:
    """Print the best scaling of each network, and that of the compound rule."""
    write(facts([("device", device_text(found.device)), ("budget", budget_text(found.budget))], width=6))
    write("")
    rows = [_scaling_row(point.candidate.network, point) for point in found.points]
    if found.compound is not None:
        rows.append(_scaling_row("compound rule", found.compound.point))
    header = ("network", "pixels", "depth", "width", "precision", "ms", "MB", "ImageNet (expected)")
    write(table(header, rows))
    if found.compound is not None:
        write(f"\nThe compound rule scales EfficientNet-B0 by phi = {found.compound.phi:g}, the largest that fits.")
    write_message("note: figures are predicted for 1,000 classes; accuracies are interpolated between published ones")


def write_explanation(explanation: Explanation, model: str, device: Device) -> None:
    """Print the predicted time of each kind of operators of a model, and the sum beside the measured one."""
    write(facts([("model", model), ("device", device_text(device))], width=6))
    write("")
    rows = [
        (row.kind, str(row.count), f"{row.macs / 1e6:.2f}", f"{row.predicted_ms:.3f}", percent(row.share))
        for row in explanation.rows
    ]
    write(table(("operators", "count", "MACs (M)", "predicted (ms)", "share"), rows))
    total = f"predicted: {milliseconds(explanation.predicted_ms)}"
    if explanation.measured_ms is not None:
        off = 100 * (explanation.predicted_ms / explanation.measured_ms - 1)
        total += f"; measured: {milliseconds(explanation.measured_ms)} (the prediction is off by {off:+.1f}%)"
    write(total)


def _accuracy_cells(point: FrontPoint) -> Sequence[str]:
    return (percent(point.prior),) if point.accuracy is None else (percent(point.accuracy), str(point.rung))


def _costs(point: FrontPoint) -> Sequence[str]:
    figures = point.figures
    return f"{figures.latency_ms:.3g}", f"{figures.size_bytes / 1e6:.2f}", f"{figures.memory_bytes / 1e6:.1f}"


def _scaling_row(name: str, point: FrontPoint) -> Sequence[str]:
    candidate, (latency, size, _) = point.candidate, _costs(point)
    scaling = str(candidate.resolution), f"{candidate.depth_mult:.3g}", f"{candidate.width_mult:.3g}"
    return name, *scaling, candidate.precision, latency, size, percent(point.prior)
