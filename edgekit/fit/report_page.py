"""The report page of a fit: the chosen model and why, accuracy over latency, all candidates, the search."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit import __version__
from edgekit.files import write_atomically
from edgekit.fit.figures_text import (
    budget_text,
    device_text,
    figures_text,
    latency_limit,
    megabytes,
    milliseconds,
    percent,
    size_limit,
)
from edgekit.fit.front import best_first
from edgekit.fit.pareto_plot import Kind, Mark, pareto_plot
from edgekit.report.html import Markup, element
from edgekit.report.html_document import html_document, section
from edgekit.report.summary import fact

if TYPE_CHECKING:
    from edgekit.fit.fitted import Fitted
    from edgekit.fit.front import Figures, FrontPoint

_CANDIDATES_SHOWN = 30
_COSTS = ("latency (ms)", "size (MB)", "memory (MB)")
_LEGEND: dict[Kind, str] = {
    "chosen": "chosen",
    "front": "on the front: inside the budget, and none there is both faster and more accurate",
    "dominated": "dominated",
    "outside": "outside the budget",
}


def write_fit_report(fitted: Fitted, path: Path) -> None:
    """Write the HTML report of a fit.

    Args:
        fitted: the result of `edgekit.fit.fit`.
        path: the .html file to write.

    Raises:
        EdgekitError: the file cannot be written.
    """
    write_atomically(path, fit_page(fitted).encode())


def fit_page(fitted: Fitted) -> str:
    """The HTML of the report."""
    header = element(
        "header",
        {},
        element("p", {"class": "kicker"}, "Fit"),
        element("h1", {}, element("bdi", {}, fitted.data)),
        element("p", {}, f"Budget: {budget_text(fitted.budget)}"),
        element("p", {}, element("bdi", {}, f"Device: {device_text(fitted.device)}")),
    )
    sections = [
        *_chosen(fitted),
        section("Accuracy over latency", *_charts(fitted)),
        section("Candidates", *_candidates(fitted)),
        *_search(fitted),
        *_measured(fitted),
    ]
    return html_document(f"fit: {fitted.data}", header, sections, element("footer", {}, _footnote(fitted)))


def _chosen(fitted: Fitted) -> list[Markup]:
    point = fitted.chosen
    if point is None:
        return []
    budget = fitted.budget
    how = "measured" if point.measured else "predicted"
    latency, size, memory = _numbers(point.figures)
    facts = [
        fact(f"Latency, {how if fitted.device.is_here else 'predicted'}", f"{latency} of {latency_limit(budget)}"),
        fact("File size", f"{size}{_of(budget.size_bytes)}"),
        fact(f"Peak memory, {how}", f"{memory}{_of(budget.memory_bytes)}"),
        *_accuracy_facts(fitted),
        fact("Input", f"{point.candidate.resolution} px"),
        fact("Precision", point.candidate.precision),
    ]
    title = element("h3", {}, element("bdi", {}, point.name))
    reason = element("p", {}, fitted.reason)
    return [section("Chosen", title, reason, element("dl", {"class": "facts c1"}, facts))]


def _accuracy_facts(fitted: Fitted) -> list[Markup]:
    """The accuracy on the val images, which had no part in the choice."""
    facts, of_images = [], f"on {fitted.val_images:,} val images"
    if fitted.quantized_accuracy is not None:
        facts.append(fact(f"Accuracy {of_images}", f"{percent(fitted.quantized_accuracy)} ({fitted.verdict})"))
    if fitted.val_accuracy is not None:
        name = "Before quantization" if facts else f"Accuracy {of_images}"
        facts.append(fact(name, percent(fitted.val_accuracy)))
    return facts


def _of(limit: int | None) -> str:
    return " MB" if limit is None else f" of {size_limit(limit)}"


def _charts(fitted: Fitted) -> list[Markup]:
    """All candidates by what is known of ImageNet, and those that were trained by the accuracy on the user's data."""
    trained = [point for point in fitted.points if point.accuracy is not None]
    charts = [_chart(fitted, fitted.points, of_data=False)]
    if trained:
        charts.insert(0, _chart(fitted, trained, of_data=True))
    kinds: list[Kind] = [*(("chosen",) if fitted.chosen else ()), "front", "dominated", "outside"]
    keys = [
        element("span", {"class": "legend"}, element("i", {"class": f"key {kind}"}, ""), _LEGEND[kind])
        for kind in kinds
    ]
    note = "Hover over a point for its recipe and figures."
    return [
        element("div", {"class": "charts wide"}, charts),
        element("p", {"class": "legends"}, keys),
        element("p", {"class": "note"}, note),
    ]


def _chart(fitted: Fitted, points: Sequence[FrontPoint], *, of_data: bool) -> Markup:
    def accuracy(point: FrontPoint) -> float:
        return point.accuracy or 0.0 if of_data else point.prior

    last_rung = max((point.rung or 0 for point in points), default=0)
    marks = [
        Mark(
            point.figures.latency_ms,
            accuracy(point),
            is_inside=fitted.budget.admits(point.figures),
            is_final=not of_data or point.rung == last_rung,
            is_chosen=point.stage == "chosen",
            tooltip=_tooltip(point, is_here=fitted.device.is_here),
        )
        for point in points
    ]
    y_title = "accuracy on held-out images, %" if of_data else "expected ImageNet top-1, %"
    plot = pareto_plot(marks, fitted.budget.latency_ms, x_title="latency, ms", y_title=y_title)
    if of_data:
        caption = "Trained on your images", f"{len(points)} candidates; those that left the search early are gray"
    else:
        caption = "All candidates", f"{len(points):,}, by the published accuracies of their networks"
    return element("figure", {}, plot, element("figcaption", {}, element("b", {}, caption[0]), caption[1]))


def _tooltip(point: FrontPoint, *, is_here: bool) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in point.candidate.arguments.items())
    how = "measured" if point.measured and is_here else "predicted"
    lines = [
        point.name,
        f"{point.candidate.network}{f' ({arguments})' if arguments else ''}, {point.candidate.resolution} px, "
        f"{point.candidate.precision}",
        f"{how}: {figures_text(point.figures)}",
        f"expected on ImageNet: {percent(point.prior)}",
    ]
    if point.accuracy is not None:
        lines.append(f"on held-out training images: {percent(point.accuracy)} after rung {point.rung}")
    return "\n".join(lines)


def _candidates(fitted: Fitted) -> list[Markup]:
    """The trained candidates, best first, then the best of the others."""
    inside = [point for point in fitted.points if fitted.budget.admits(point.figures)]
    trained = [point for point in fitted.points if point.accuracy is not None]
    others = [point for point in inside if point.accuracy is None]
    shown = best_first([*trained, *others])[: max(_CANDIDATES_SHOWN, len(trained))]
    header = ["candidate", *_COSTS, "ImageNet (expected)"]
    header += ("held-out images", "rung") if trained else ()
    is_here = fitted.device.is_here
    rows = [(point.name, *_cells(point, with_data=bool(trained), is_here=is_here)) for point in shown]
    note = f"{len(inside):,} of {len(fitted.points):,} candidates are inside the budget"
    note += f", {len(shown)} shown." if len(shown) < len(inside) else "."
    if any(point.measured for point in shown):
        note += " Figures in bold type were measured, the others are predicted."
    return [element("p", {"class": "note"}, note), _table(header, rows)]


def _cells(point: FrontPoint, *, with_data: bool, is_here: bool) -> list[str | Markup]:
    costs = zip(_numbers(point.figures), (is_here, True, True), strict=True)
    cells: list[str | Markup] = [element("b", {}, text) if point.measured and own else text for text, own in costs]
    cells.append(percent(point.prior))
    if with_data:
        cells += ["–" if point.accuracy is None else percent(point.accuracy)]
        cells += ["–" if point.rung is None else str(point.rung)]
    return cells


def _numbers(figures: Figures) -> tuple[str, str, str]:
    """The figures without their units, which stand in the header of the table."""
    latency, size, memory = milliseconds(figures.latency_ms), *map(megabytes, figures[1:])
    return latency.removesuffix(" ms"), size.removesuffix(" MB"), memory.removesuffix(" MB")


def _search(fitted: Fitted) -> list[Markup]:
    if not fitted.rungs:
        return []
    rows = []
    for rung in fitted.rungs:
        best = max(rung.accuracies.values(), default=None)
        rows.append(
            (
                f"rung {rung.number}",
                f"{rung.epochs:g}",
                str(len(rung.candidates)),
                str(len(rung.survivors)),
                "–" if best is None else percent(best),
                _minutes(rung.seconds),
            )
        )
    header = ("rung", "epochs", "candidates", "go on", "best accuracy", "time")
    note = (
        "Successive halving: all candidates of a rung are trained for the same time, the faster ones on more images, "
        f"and the better ones go on. What decides is the accuracy on {fitted.held_out_images:,} training images that "
        "are held out; the val images have no part in it."
    )
    return [section("Search", element("p", {"class": "note"}, note), _table(header, rows))]


def _measured(fitted: Fitted) -> list[Markup]:
    """How far the predicted figures were from the measured ones."""
    points = [point for point in fitted.points if point.measured is not None]
    if not points:
        return []
    rows, errors = [], []
    for point in points:
        assert point.measured is not None
        errors.append(abs(point.predicted.latency_ms / point.measured.latency_ms - 1))
        pairs = zip(_numbers(point.predicted), _numbers(point.measured), strict=True)
        rows.append((point.name, *(f"{predicted} → {measured}" for predicted, measured in pairs)))
    note = f"The median error of the predicted latency is {percent(statistics.median(errors))}."
    if not fitted.device.is_here:
        note = (
            "Size and memory are those of the exported files; their latency is predicted again, from their operators."
        )
    header = ("candidate", *_COSTS)
    return [section("Predicted and measured", element("p", {"class": "note"}, note), _table(header, rows))]


def _table(header: Sequence[str], rows: Iterable[Sequence[str | Markup]]) -> Markup:
    head = element("thead", {}, element("tr", {}, [element("th", {}, name) for name in header]))
    body = [
        element("tr", {}, element("th", {}, element("bdi", {}, first)), [element("td", {}, cell) for cell in cells])
        for first, *cells in rows
    ]
    table = element("table", {"class": "figures"}, head, element("tbody", {}, body))
    return element("div", {"class": "scroll"}, table)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _footnote(fitted: Fitted) -> Markup:
    latency = (
        "Predicted latencies are sums over the operators that onnxruntime executes, each by a model of its kind that "
        "is fitted to micro-graphs measured on the device. "
    )
    elsewhere = "" if fitted.device.is_here else "No whole network was timed on the device, which is not this machine. "
    prior = (
        "Expected ImageNet accuracies are interpolated between published ones; they order the candidates, and are no "
        "promise for your images. "
    )
    return element("p", {}, f"{latency}{elsewhere}{prior}Made with edgekit {__version__}.")
