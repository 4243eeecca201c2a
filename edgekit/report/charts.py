"""Curves as SVG, drawn by us: they scale, follow the page's colors, and need nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.evaluate.calibration import Bin, Calibration
from edgekit.evaluate.evaluation import Figures
from edgekit.report.html import Markup, element, joined

_WIDTH, _HEIGHT = 320, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 34
_COUNTS_HEIGHT = 54
_POINTS = 160
_LEAST_PICTURES, _LEAST_SHARE = 10, 0.02  # that a point of the coverage curve stands for


class Plot:
    """An area of which x and y run over given ranges, growing to the right and up."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, height: int = _HEIGHT) -> None:
        self._x, self._y, self.height = x, y, height
        self._parts: list[Markup] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        (x0, x1), (y0, y1) = self._x, self._y
        across = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        return across, _TOP + (y1 - y) / (y1 - y0) * (self.height - _TOP - _BOTTOM)

    def grid(self, xs: Sequence[float], ys: Sequence[float], *, x_title: str, y_title: str) -> None:
        """Lines, numbers in percent, and what the axes mean."""
        bottom, left = self.height - _BOTTOM, _LEFT
        for y in ys:
            level = self.at(self._x[0], y)[1]
            self._parts.append(_line((left, level), (_WIDTH - _RIGHT, level), "grid"))
            self._parts.append(_text(f"{100 * y:.0f}", (left - 6, level + 3.5), "end"))
        for x in xs:
            self._parts.append(_text(f"{100 * x:.0f}", (self.at(x, 0)[0], bottom + 14), "middle"))
        self._parts.append(_text(x_title, ((left + _WIDTH - _RIGHT) / 2, self.height - 5), "middle", "title"))
        turned = f"rotate(-90 10 {(_TOP + bottom) / 2:.0f})"
        self._parts.append(_text(y_title, (10, (_TOP + bottom) / 2), "middle", "title", transform=turned))

    def bar(self, x: tuple[float, float], y: tuple[float, float], kind: str, said: str) -> None:
        """A bar between two x and two y, which says something where the mouse rests on it."""
        (left, top), (right, bottom) = self.at(x[0], max(y)), self.at(x[1], min(y))
        place = {"x": f"{left + 0.75:.1f}", "y": f"{top:.1f}", "width": f"{max(right - left - 1.5, 0):.1f}"}
        height = {"height": f"{max(bottom - top, 0):.1f}", "class": kind}
        self._parts.append(element("rect", place | height, element("title", {}, said)))

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Points joined by a line."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        self._parts.append(element("polyline", {"points": path, "class": kind}))

    def dot(self, point: tuple[float, float], kind: str) -> None:
        """A small disk."""
        x, y = self.at(*point)
        self._parts.append(element("circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3", "class": kind}))

    def svg(self, said: str) -> Markup:
        """The whole; `said` is what it shows, for those who cannot see it."""
        return svg(_WIDTH, self.height, said, self._parts)


def svg(width: int, height: int, said: str, parts: Sequence[Markup]) -> Markup:
    """An SVG of that size, which shrinks with its surroundings."""
    box = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": said}
    return element("svg", box, joined(parts))


def reliability(calibration: Calibration) -> Markup:
    """How often the answers of each confidence are right, as they are and after the temperature."""
    plot = Plot((0, 1), (0, 1))
    quarters = (0, 0.25, 0.5, 0.75, 1)
    plot.grid(quarters, quarters, x_title="confidence, %", y_title="right, %")
    for one in calibration.bins:
        if one.accuracy is not None and one.confidence is not None:
            plot.bar((one.low, one.high), (0, min(one.accuracy, one.confidence)), "bar", _bin_said(one))
            plot.bar((one.low, one.high), (one.accuracy, one.confidence), "gap", _bin_said(one))
    plot.line(((0, 0), (1, 1)), "ideal")
    for one in calibration.scaled_bins:
        if one.accuracy is not None and one.confidence is not None:
            plot.dot((one.confidence, one.accuracy), "scaled")
    return plot.svg("reliability curve")


def confidences(calibration: Calibration) -> Markup:
    """How many pictures are answered with each confidence."""
    most = max(one.pictures for one in calibration.bins)
    total = sum(one.pictures for one in calibration.bins)
    plot = Plot((0, 1), (0, most / total), height=_COUNTS_HEIGHT + _TOP + _BOTTOM)
    plot.grid((0, 0.25, 0.5, 0.75, 1), (0, most / total), x_title="confidence, %", y_title="pictures, %")
    for one in calibration.bins:
        plot.bar((one.low, one.high), (0, one.pictures / total), "count", _bin_said(one))
    return plot.svg("how many pictures are answered with each confidence")


def coverage(figures: Sequence[Figures]) -> Markup:
    """Accuracy where a model answers only the pictures that it is surest of, and leaves the others to somebody else."""
    curves = [_coverage_points(one) for one in figures]
    lowest = min(accuracy for curve in curves for _, accuracy in curve)
    floor = max(0.0, np.floor((lowest - 0.01) * 20) / 20)
    step = 0.01 if floor >= 0.95 else 0.05 if floor >= 0.7 else 0.1 if floor >= 0.45 else 0.25
    plot = Plot((0, 1), (floor, 1))
    levels = [1 - n * step for n in range(round((1 - floor) / step) + 1)]
    plot.grid((0, 0.25, 0.5, 0.75, 1), levels, x_title="pictures answered, surest first, %", y_title="right, %")
    for number, curve in enumerate(curves):
        plot.line(curve, f"curve c{number % 6}")
    return plot.svg("accuracy over the share of pictures answered")


def whiskers(figures: Sequence[Figures], number: int) -> Markup:
    """Top-1 of one model with its interval, on an axis that all share."""
    low, high = (f(e) for f, e in ((min, [f.top1.low for f in figures]), (max, [f.top1.high for f in figures])))
    margin = max((high - low) * 0.08, 0.002)
    low, high, own = max(low - margin, 0), min(high + margin, 1), figures[number].top1

    def at(share: float) -> float:
        return 6 + (share - low) / (high - low) * 228

    kind = f"c{number % 6}"
    parts = [
        _line((0, 12), (240, 12), "grid"),
        element("line", _ends((at(own.low), 12), (at(own.high), 12)) | {"class": f"whisker {kind}"}),
        element("circle", {"cx": f"{at(own.value):.1f}", "cy": "12", "r": "6", "class": f"disk {kind}"}),
        _text(f"{100 * low:.1f}%", (0, 33), "start"),
        _text(f"{100 * high:.1f}%", (240, 33), "end"),
    ]
    return svg(240, 38, "top-1 with its 95% interval", parts)


def _coverage_points(figures: Figures) -> list[tuple[float, float]]:
    sure = figures.accuracy.probabilities.max(axis=1)
    right = figures.right()[np.argsort(-sure, kind="stable")]
    count = len(right)
    shares = np.cumsum(right) / np.arange(1, count + 1)
    first = min(max(_LEAST_PICTURES, round(_LEAST_SHARE * count)), count) - 1
    at = np.unique(np.linspace(first, count - 1, _POINTS).round().astype(int))
    return [((n + 1) / count, float(shares[n])) for n in at.tolist()]


def _bin_said(one: Bin) -> str:
    said = f"confidence {100 * one.low:.0f} to {100 * one.high:.0f}%: {one.pictures} pictures"
    return said if one.accuracy is None else f"{said}, {100 * one.accuracy:.1f}% right"


def _ends(start: tuple[float, float], end: tuple[float, float]) -> dict[str, object]:
    return {"x1": f"{start[0]:.1f}", "y1": f"{start[1]:.1f}", "x2": f"{end[0]:.1f}", "y2": f"{end[1]:.1f}"}


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    return element("line", _ends(start, end) | {"class": kind})


def _text(
    said: str, place: tuple[float, float], anchor: str, kind: str = "number", *, transform: str | None = None
) -> Markup:
    attributes: dict[str, object] = {
        "x": f"{place[0]:.1f}",
        "y": f"{place[1]:.1f}",
        "text-anchor": anchor,
        "class": kind,
    }
    return element("text", attributes | ({"transform": transform} if transform else {}), said)
