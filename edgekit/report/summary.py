"""The summary at the top of the report: accuracy and speed of each model, and whether one is better."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.evaluate.evaluation import Comparison, Evaluation, ModelMetrics
from edgekit.evaluate.timing import PredictionSpeed
from edgekit.report.charts import interval_whiskers
from edgekit.report.html import Markup, concatenate, element

_MIN_MB_BYTES = 100_000  # size from which files are shown in megabytes


def verdicts(evaluation: Evaluation, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    """The comparison of each further model with the first, as a sentence and a bar."""
    compared = zip(evaluation.comparisons, speeds[1:], strict=True)
    sentences = [_verdict(comparison, number, speed) for number, (comparison, speed) in enumerate(compared, 1)]
    return element("div", {"class": "verdicts"}, sentences) if sentences else Markup()


def model_cards(evaluation: Evaluation, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    """A card for each model."""
    cards = [_card(evaluation.models, number, speeds) for number in range(len(speeds))]
    return element("div", {"class": "cards"}, cards)


def _verdict(comparison: Comparison, number: int, speed: PredictionSpeed | None) -> Markup:
    """The comparison of a model with the first; its number decides its color, everywhere on the page."""
    first, second, paired = comparison.first.model.name, comparison.second.model.name, comparison.paired
    parts = (
        (paired.both_right, "both correct", "both"),
        (paired.lost, f"only {first}", "c0"),
        (paired.won, f"only {second}", f"c{number % 6}"),
        (paired.both_wrong, "both wrong", "none"),
    )
    bar = element(
        "div",
        {"class": "duel", "role": "img", "aria-label": "images by which model is correct"},
        *(_bar_part(images, name, kind) for images, name, kind in parts),
    )
    sentence = element(
        "p",
        {},
        element("b", {}, element("bdi", {}, second)),
        " compared with ",
        element("b", {}, element("bdi", {}, first)),
        f": images gained {paired.won:,}, lost {paired.lost:,}; {paired.verdict}. {speed_sentence(speed)}",
    )
    legend = [_legend(kind, f"{name}: {images:,}") for images, name, kind in parts]
    return element("div", {"class": "verdict"}, sentence, bar, element("p", {"class": "legends"}, legend))


def speed_sentence(speed: PredictionSpeed | None) -> str:
    """How much faster or slower a model is than the first."""
    if speed is None or speed.speedup is None:
        return "Their speeds are not compared, because one of them is for another processor."
    times = speed.speedup
    if times.low <= 1 <= times.high:
        return "No significant difference in speed."
    word, value = ("fast", times.value) if times.value > 1 else ("slow", 1 / times.value)
    return f"From file to label, it is {value:.2f} times as {word}."


def _bar_part(images: int, name: str, kind: str) -> Markup:
    return element("span", {"class": kind, "style": f"flex-grow:{images}", "title": f"{name}: {images}"}, "")


def _legend(kind: str, text: str) -> Markup:
    return element("span", {"class": "legend"}, element("i", {"class": f"key {kind}"}, ""), element("bdi", {}, text))


def _card(models: Sequence[ModelMetrics], number: int, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    metrics = models[number]
    model, top1 = metrics.model, metrics.top1
    sizes = [other.model.path.stat().st_size for other in models]
    facts = [
        fact("Top-5", f"{100 * metrics.top5.value:.2f}%"),
        fact("Macro F1", f"{metrics.macro_f1:.4f}"),
        fact("ECE", f"{100 * metrics.calibration.ece:.1f}%"),
        latency_fact(speeds, number),
        fact("File size", size_text(sizes[number]), share=sizes[number] / max(sizes)),
        fact("Setup", f"{model.classifier.info.precision}, {model.crops}"),
    ]
    interval = element("small", {}, f"top-1 (95% interval {100 * top1.low:.2f} to {100 * top1.high:.2f})")
    return element(
        "article",
        {"class": "card"},
        element("h3", {}, element("i", {"class": f"key c{number % 6}"}, ""), element("bdi", {}, model.name)),
        element("p", {"class": "big"}, f"{100 * top1.value:.2f}%", concatenate((" ", interval))),
        interval_whiskers([metrics.top1 for metrics in models], number, metric="top-1 accuracy"),
        element("dl", {"class": f"c{number % 6}"}, facts),
    )


def latency_fact(speeds: Sequence[PredictionSpeed | None], number: int) -> Markup:
    """The latency of a model, if it is measured here; otherwise how to measure it."""
    speed = speeds[number]
    if speed is None:
        return fact("Latency", "not measured here; edgekit bundle --bench measures it on the device")
    slowest = max(other.median_ms for other in speeds if other is not None)
    return fact("Latency", f"{speed.median_ms:.1f} ms", share=speed.median_ms / slowest)


def size_text(size_bytes: int) -> str:
    """The size of a file in megabytes or kilobytes."""
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= _MIN_MB_BYTES else f"{size_bytes / 1e3:.1f} kB"


def fact(name: str, value: str, *, share: float | None = None) -> Markup:
    """A named value; share (0 to 1) of the largest value of any model is drawn as a strip below it."""
    strip = Markup() if share is None else element("span", {"class": "strip", "style": f"--share:{share:.3f}"}, "")
    return element("div", {}, element("dt", {}, name), element("dd", {}, value, strip))
