"""What a person wants to know first: how good, how fast, and whether one is better."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.evaluate.evaluation import Comparison, Evaluation, Figures
from edgekit.evaluate.report.charts import whiskers
from edgekit.evaluate.report.markup import Markup, element, joined
from edgekit.evaluate.speed import Speed


def verdicts(found: Evaluation, measured: Sequence[Speed]) -> Markup:
    """A sentence for each model that is compared with the first."""
    said = [_verdict(one, speed) for one, speed in zip(found.comparisons, measured[1:], strict=True)]
    return element("div", {"class": "verdicts"}, said) if said else Markup()


def at_a_glance(found: Evaluation, measured: Sequence[Speed]) -> Markup:
    """A card for each model."""
    cards = [_card(found.figures, number, speed) for number, speed in enumerate(measured)]
    return element("div", {"class": "cards"}, cards)


def _verdict(comparison: Comparison, speed: Speed) -> Markup:
    first, second, paired = comparison.first.contender.name, comparison.second.contender.name, comparison.paired
    bar = element(
        "div",
        {"class": "duel", "role": "img", "aria-label": "pictures by who is right"},
        _part(paired.both_right, "both right", "both"),
        _part(paired.lost, f"only {first} right", "lost"),
        _part(paired.won, f"only {second} right", "won"),
        _part(paired.both_wrong, "both wrong", "none"),
    )
    sentence = element(
        "p",
        {},
        element("b", {}, element("bdi", {}, second)),
        " against ",
        element("b", {}, element("bdi", {}, first)),
        f": pictures won {paired.won}, lost {paired.lost}; {paired.verdict}. {_speed_said(speed)}",
    )
    legend = element(
        "p",
        {"class": "legends"},
        _legend("both", f"both right {paired.both_right:,}"),
        _legend("lost", f"only the first {paired.lost:,}"),
        _legend("won", f"only the second {paired.won:,}"),
        _legend("none", f"both wrong {paired.both_wrong:,}"),
    )
    return element("div", {"class": "verdict"}, sentence, bar, legend)


def _speed_said(speed: Speed) -> str:
    times = speed.speedup
    if times.low <= 1 <= times.high:
        return "No difference in speed can be told."
    word, value = ("fast", times.value) if times.value > 1 else ("slow", 1 / times.value)
    return f"From file to label it is {value:.2f} times as {word}."


def _part(pictures: int, said: str, kind: str) -> Markup:
    return element("span", {"class": kind, "style": f"flex-grow:{pictures}", "title": f"{said}: {pictures}"}, "")


def _legend(kind: str, said: str) -> Markup:
    return element("span", {"class": "legend"}, element("i", {"class": f"key {kind}"}, ""), said)


def _card(all_figures: Sequence[Figures], number: int, speed: Speed) -> Markup:
    figures = all_figures[number]
    contender, top1 = figures.contender, figures.top1
    info = contender.classifier.info
    facts = [
        ("Top-5", f"{100 * figures.top5.value:.2f}%"),
        ("Macro F1", f"{figures.macro_f1:.4f}"),
        ("Time a picture", f"{speed.median_ms:.1f} ms"),
        ("File", f"{contender.path.stat().st_size / 1e6:.2f} MB"),
        ("Arithmetic", info.precision),
        ("Crops", contender.crops),
    ]
    rows = [element("div", {}, element("dt", {}, name), element("dd", {}, value)) for name, value in facts]
    interval = element("small", {}, f"{100 * top1.low:.2f} to {100 * top1.high:.2f}")
    return element(
        "article",
        {"class": "card"},
        element("h3", {}, element("i", {"class": f"key c{number % 6}"}, ""), element("bdi", {}, contender.name)),
        element("p", {"class": "big"}, f"{100 * top1.value:.2f}%", joined((" ", interval))),
        whiskers(all_figures, number),
        element("dl", {}, rows),
    )
