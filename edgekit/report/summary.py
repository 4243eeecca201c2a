"""What a person wants to know first: how good, how fast, and whether one is better."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.evaluate.evaluation import Comparison, Evaluation, Figures
from edgekit.evaluate.timing import Speed
from edgekit.report.charts import whiskers
from edgekit.report.html import Markup, element, joined

_LEAST_MB = 100_000  # bytes from which megabytes are said


def verdicts(found: Evaluation, measured: Sequence[Speed]) -> Markup:
    """A sentence for each model that is compared with the first."""
    compared = zip(found.comparisons, measured[1:], strict=True)
    said = [_verdict(one, number, speed) for number, (one, speed) in enumerate(compared, 1)]
    return element("div", {"class": "verdicts"}, said) if said else Markup()


def at_a_glance(found: Evaluation, measured: Sequence[Speed]) -> Markup:
    """A card for each model."""
    cards = [_card(found.figures, number, measured) for number in range(len(measured))]
    return element("div", {"class": "cards"}, cards)


def _verdict(comparison: Comparison, number: int, speed: Speed) -> Markup:
    """number: of the second model, whose color it has everywhere on the page."""
    first, second, paired = comparison.first.contender.name, comparison.second.contender.name, comparison.paired
    parts = (
        (paired.both_right, "both right", "both"),
        (paired.lost, f"only {first}", "c0"),
        (paired.won, f"only {second}", f"c{number % 6}"),
        (paired.both_wrong, "both wrong", "none"),
    )
    bar = element(
        "div",
        {"class": "duel", "role": "img", "aria-label": "pictures by who is right"},
        *(_part(pictures, said, kind) for pictures, said, kind in parts),
    )
    sentence = element(
        "p",
        {},
        element("b", {}, element("bdi", {}, second)),
        " against ",
        element("b", {}, element("bdi", {}, first)),
        f": pictures won {paired.won}, lost {paired.lost}; {paired.verdict}. {_speed_said(speed)}",
    )
    legend = [_legend(kind, f"{said}: {pictures:,}") for pictures, said, kind in parts]
    return element("div", {"class": "verdict"}, sentence, bar, element("p", {"class": "legends"}, legend))


def _speed_said(speed: Speed) -> str:
    times = speed.speedup
    if times.low <= 1 <= times.high:
        return "No difference in speed can be told."
    word, value = ("fast", times.value) if times.value > 1 else ("slow", 1 / times.value)
    return f"From file to label it is {value:.2f} times as {word}."


def _part(pictures: int, said: str, kind: str) -> Markup:
    return element("span", {"class": kind, "style": f"flex-grow:{pictures}", "title": f"{said}: {pictures}"}, "")


def _legend(kind: str, said: str) -> Markup:
    return element("span", {"class": "legend"}, element("i", {"class": f"key {kind}"}, ""), element("bdi", {}, said))


def _card(all_figures: Sequence[Figures], number: int, measured: Sequence[Speed]) -> Markup:
    figures = all_figures[number]
    contender, top1 = figures.contender, figures.top1
    info, times, sizes = contender.classifier.info, [speed.median_ms for speed in measured], _sizes(all_figures)
    facts = [
        _fact("Top-5", f"{100 * figures.top5.value:.2f}%"),
        _fact("Macro F1", f"{figures.macro_f1:.4f}"),
        _fact("ECE", f"{100 * figures.calibration.ece:.1f}%"),
        _fact("Time a picture", f"{times[number]:.1f} ms", share=times[number] / max(times)),
        _fact("File", _size_said(sizes[number]), share=sizes[number] / max(sizes)),
        _fact("Computes in", f"{info.precision}, {contender.crops}"),
    ]
    interval = element("small", {}, f"{100 * top1.low:.2f} to {100 * top1.high:.2f}")
    return element(
        "article",
        {"class": "card"},
        element("h3", {}, element("i", {"class": f"key c{number % 6}"}, ""), element("bdi", {}, contender.name)),
        element("p", {"class": "big"}, f"{100 * top1.value:.2f}%", joined((" ", interval))),
        whiskers(all_figures, number),
        element("dl", {"class": f"c{number % 6}"}, facts),
    )


def _sizes(all_figures: Sequence[Figures]) -> list[int]:
    return [figures.contender.path.stat().st_size for figures in all_figures]


def _size_said(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= _LEAST_MB else f"{size_bytes / 1e3:.1f} kB"


def _fact(name: str, value: str, *, share: float | None = None) -> Markup:
    """share: of the most that any model has; a strip as long lies below."""
    strip = Markup() if share is None else element("span", {"class": "strip", "style": f"--share:{share:.3f}"}, "")
    return element("div", {}, element("dt", {}, name), element("dd", {}, value, strip))
