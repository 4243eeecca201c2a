"""Charts as inline SVG: they scale, follow the colors of the page, and need no library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.evaluate.calibration import Bin, Calibration
from edgekit.evaluate.evaluation import ModelMetrics
from edgekit.evaluate.intervals import Interval
from edgekit.report.html import Markup, concatenate, element

_WIDTH, _HEIGHT = 320, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 34
_COUNTS_HEIGHT = 54
_POINTS = 160
_MIN_IMAGES, _MIN_SHARE = 10, 0.02  # behind each point of the coverage curve


class Plot:
    """A plot with linear axes.

    Args:
        x: range of the x axis, which increases to the right.
        y: range of the y axis, which increases upward.
        height: height in pixels, axis titles included.
    """

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, height: int = _HEIGHT) -> None:
        self._x, self._y, self.height = x, y, height
        self._parts: list[Markup] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel position of a point."""
        (x0, x1), (y0, y1) = self._x, self._y
        column = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        return column, _TOP + (y1 - y) / (y1 - y0) * (self.height - _TOP - _BOTTOM)

    def grid(self, xs: Sequence[float], ys: Sequence[float], *, x_title: str, y_title: str) -> None:
        """Draw grid lines, tick labels in percent, and the titles of the axes."""
        bottom, left = self.height - _BOTTOM, _LEFT
        for y in ys:
            level = self.at(self._x[0], y)[1]
            self._parts.append(svg_line((left, level), (_WIDTH - _RIGHT, level), "grid"))
            self._parts.append(svg_text(f"{100 * y:.0f}", (left - 6, level + 3.5), "end"))
        for x in xs:
            self._parts.append(svg_text(f"{100 * x:.0f}", (self.at(x, 0)[0], bottom + 14), "middle"))
        self._parts.append(svg_text(x_title, ((left + _WIDTH - _RIGHT) / 2, self.height - 5), "middle", "title"))
        rotation = f"rotate(-90 10 {(_TOP + bottom) / 2:.0f})"
        self._parts.append(svg_text(y_title, (10, (_TOP + bottom) / 2), "middle", "title", transform=rotation))

    def bar(self, x: tuple[float, float], y: tuple[float, float], kind: str, tooltip: str) -> None:
        """Draw a bar between two x and two y values."""
        (left, top), (right, bottom) = self.at(x[0], max(y)), self.at(x[1], min(y))
        place = {"x": f"{left + 0.75:.1f}", "y": f"{top:.1f}", "width": f"{max(right - left - 1.5, 0):.1f}"}
        height = {"height": f"{max(bottom - top, 0):.1f}", "class": kind}
        self._parts.append(element("rect", place | height, element("title", {}, tooltip)))

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        self._parts.append(element("polyline", {"points": path, "class": kind}))

    def dot(self, point: tuple[float, float], kind: str) -> None:
        """Draw a small disk."""
        x, y = self.at(*point)
        self._parts.append(element("circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3", "class": kind}))

    def svg(self, description: str) -> Markup:
        """The finished plot; the description is for screen readers."""
        return svg(_WIDTH, self.height, description, self._parts)


def svg(width: int, height: int, description: str, parts: Sequence[Markup]) -> Markup:
    """An SVG element with a size in pixels, which shrinks with its container."""
    attributes = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": description}
    return element("svg", attributes, concatenate(parts))


def reliability_curve(calibration: Calibration) -> Markup:
    """Accuracy by confidence, before (bars) and after (dots) temperature scaling."""
    plot = Plot((0, 1), (0, 1))
    quarters = (0, 0.25, 0.5, 0.75, 1)
    plot.grid(quarters, quarters, x_title="confidence, %", y_title="accuracy, %")
    for b in calibration.bins:
        if b.accuracy is not None and b.confidence is not None:
            plot.bar((b.low, b.high), (0, min(b.accuracy, b.confidence)), "bar", _bin_tooltip(b))
            plot.bar((b.low, b.high), (b.accuracy, b.confidence), "gap", _bin_tooltip(b))
    plot.line(((0, 0), (1, 1)), "ideal")
    for b in calibration.scaled_bins:
        if b.accuracy is not None and b.confidence is not None:
            plot.dot((b.confidence, b.accuracy), "scaled")
    return plot.svg("reliability curve")


def confidence_histogram(calibration: Calibration) -> Markup:
    """The share of images in each bin of confidence."""
    counts = [b.images for b in calibration.bins]
    most, total = max(counts), sum(counts)
    plot = Plot((0, 1), (0, most / total), height=_COUNTS_HEIGHT + _TOP + _BOTTOM)
    plot.grid((0, 0.25, 0.5, 0.75, 1), (0, most / total), x_title="confidence, %", y_title="images, %")
    for b in calibration.bins:
        plot.bar((b.low, b.high), (0, b.images / total), "count", _bin_tooltip(b))
    return plot.svg("histogram of confidence")


def coverage_curve(models: Sequence[ModelMetrics]) -> Markup:
    """Accuracy over coverage: a model predicts only the share of images that it is most confident about."""
    curves = [_coverage_points(metrics) for metrics in models]
    lowest = min(accuracy for curve in curves for _, accuracy in curve)
    floor = max(0.0, np.floor((lowest - 0.01) * 20) / 20)
    step = 0.01 if floor >= 0.95 else 0.05 if floor >= 0.7 else 0.1 if floor >= 0.45 else 0.25
    plot = Plot((0, 1), (floor, 1))
    levels = [1 - n * step for n in range(round((1 - floor) / step) + 1)]
    plot.grid((0, 0.25, 0.5, 0.75, 1), levels, x_title="coverage (most confident first), %", y_title="accuracy, %")
    for number, curve in enumerate(curves):
        plot.line(curve, f"curve c{number % 6}")
    return plot.svg("accuracy over coverage")


def interval_whiskers(intervals: Sequence[Interval], number: int, *, metric: str) -> Markup:
    """The figure of a model with its interval, on an axis that all models share."""
    low, high = min(interval.low for interval in intervals), max(interval.high for interval in intervals)
    margin = max((high - low) * 0.08, 0.002)
    low, high, shown = max(low - margin, 0), min(high + margin, 1), intervals[number]

    def at(share: float) -> float:
        return 6 + (share - low) / (high - low) * 228

    kind = f"c{number % 6}"
    parts = [
        svg_line((0, 12), (240, 12), "grid"),
        element("line", _ends((at(shown.low), 12), (at(shown.high), 12)) | {"class": f"whisker {kind}"}),
        element("circle", {"cx": f"{at(shown.value):.1f}", "cy": "12", "r": "6", "class": f"disk {kind}"}),
        svg_text(f"{100 * low:.1f}%", (0, 33), "start"),
        svg_text(f"{100 * high:.1f}%", (240, 33), "end"),
    ]
    return svg(240, 38, f"{metric} with its 95% interval", parts)


def _coverage_points(metrics: ModelMetrics) -> list[tuple[float, float]]:
    confidence = metrics.accuracy.confidence()
    correct = metrics.correct()[np.argsort(-confidence, kind="stable")]
    count = len(correct)
    shares = np.cumsum(correct) / np.arange(1, count + 1)
    first = min(max(_MIN_IMAGES, round(_MIN_SHARE * count)), count) - 1
    points = np.unique(np.linspace(first, count - 1, _POINTS).round().astype(int))
    return [((n + 1) / count, float(shares[n])) for n in points.tolist()]


def _bin_tooltip(b: Bin) -> str:
    tooltip = f"confidence {100 * b.low:.0f} to {100 * b.high:.0f}%: {b.images} images"
    return tooltip if b.accuracy is None else f"{tooltip}, {100 * b.accuracy:.1f}% correct"


def _ends(start: tuple[float, float], end: tuple[float, float]) -> dict[str, object]:
    return {"x1": f"{start[0]:.1f}", "y1": f"{start[1]:.1f}", "x2": f"{end[0]:.1f}", "y2": f"{end[1]:.1f}"}


def svg_line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    """A line between two pixel positions; `kind` is its class."""
    return element("line", _ends(start, end) | {"class": kind})


def svg_text(
    text: str, place: tuple[float, float], anchor: str, kind: str = "number", *, transform: str | None = None
) -> Markup:
    """Text at a pixel position. anchor: "start", "middle" or "end"; transform: such as a rotation."""
    attributes: dict[str, object] = {
        "x": f"{place[0]:.1f}",
        "y": f"{place[1]:.1f}",
        "text-anchor": anchor,
        "class": kind,
    }
    return element("text", attributes | ({"transform": transform} if transform else {}), text)
