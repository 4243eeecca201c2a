"""The output of `edgekit evaluate` for multi-label models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.cli.layout import paragraph
from edgekit.cli.render import percent, signed, write
from edgekit.cli.tables import table
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.evaluate.multi_label_evaluation import (
        MultiLabelComparison,
        MultiLabelEvaluation,
        MultiLabelMetrics,
    )

_CLASSES_SHOWN, _MISTAKES_SHOWN = 12, 5


def write_multi_label(evaluation: MultiLabelEvaluation) -> None:
    """Print a table of the models, how each further one compares with the first, and the classes of a single one."""
    unreadable = f", {len(evaluation.unreadable)} more unreadable" if evaluation.unreadable else ""
    write(printable(f"{evaluation.data}: {len(evaluation.images)} images, several labels each{unreadable}"))
    write("")
    write(table(("model", "mAP", "95% interval", "micro F1", "macro F1"), map(_metrics_row, evaluation.models)))
    for comparison in evaluation.comparisons:
        write("")
        write(paragraph(printable(_comparison_line(comparison))))
    if len(evaluation.models) == 1:
        _write_classes(evaluation.models[0])
        _write_mistakes(evaluation.models[0], evaluation.images.names)


def _metrics_row(metrics: MultiLabelMetrics) -> tuple[str, ...]:
    interval = metrics.mean_average_precision
    return (
        metrics.model.name,
        percent(interval.value),
        f"{100 * interval.low:.2f} to {100 * interval.high:.2f}",
        "-" if metrics.micro_f1 is None else f"{metrics.micro_f1:.4f}",
        f"{metrics.macro_f1:.4f}",
    )


def _comparison_line(comparison: MultiLabelComparison) -> str:
    first, second, gain = comparison.first.model.name, comparison.second.model.name, comparison.gain
    return (
        f"{second} vs {first}: mAP {signed(gain.value)} percentage points (95% interval {signed(gain.low)} to "
        f"{signed(gain.high)}), {len(comparison.flipped)} images with other labels; {comparison.verdict}"
    )


def _write_classes(metrics: MultiLabelMetrics) -> None:
    present = [row for row in metrics.classes if row.images]
    shown = sorted(present, key=lambda row: row.average_precision or 0.0)[:_CLASSES_SHOWN]
    write("")
    if len(shown) < len(present):
        write(f"the {len(shown)} weakest of {len(present)} classes:")
    header = ("class", "images", "AP", "threshold", "precision", "recall", "F1")
    cells = [
        (
            *(row.label, str(row.images), percent(row.average_precision), f"{row.threshold:.4f}"),
            *(percent(row.precision), percent(row.recall), percent(row.f1)),
        )
        for row in shown
    ]
    write(table(header, cells))


def _write_mistakes(metrics: MultiLabelMetrics, names: tuple[str, ...]) -> None:
    for number, mistake in enumerate(metrics.mistakes[:_MISTAKES_SHOWN]):
        if not number:
            write("\nmost confident mistakes:")
        kind = "missed" if mistake.missed else "not in the image"
        label = metrics.labels[mistake.label]
        figure = f"  {percent(mistake.probability):>7}  "
        write(paragraph(printable(f"{figure}{label} ({kind})  {names[mistake.image]}"), indent=" " * len(figure)))
