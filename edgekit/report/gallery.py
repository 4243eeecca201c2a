"""Pictures with what was said of them: the worst mistakes, and those that two models answer differently."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.dataset import PictureSet
from edgekit.evaluate.evaluation import Comparison, Evaluation, Figures, Mistake
from edgekit.report.html import Markup, element, joined, short
from edgekit.report.thumbnails import heat_maps, thumbnail
from edgekit.runtime.activation_maps import ClassMaps

_FLIPS = 18


def mistakes_gallery(figures: Figures, pictures: PictureSet) -> Markup:
    """The most confident mistakes; with what the network looked at, where its file tells."""
    if not figures.mistakes:
        return element("p", {}, "There is none: every picture is answered right.")
    maps = ClassMaps(figures.contender.path)
    shown = [_mistake(figures, mistake, pictures, maps if maps.present else None) for mistake in figures.mistakes]
    if not maps.present:
        return element("div", {"class": "gallery"}, shown)
    how = "Beside each picture its middle: red are the places that speak for the answer, then those for the true class."
    return joined((element("p", {"class": "note"}, how), element("div", {"class": "gallery wide"}, shown)))


def flips_gallery(found: Evaluation) -> Markup:
    """For each comparison, pictures that the two answer differently: those that only one has right come first."""
    parts = []
    for comparison in found.comparisons:
        chosen = _told_apart(comparison)
        if not chosen:
            continue
        first, second = comparison.first.contender.name, comparison.second.contender.name
        more = f", {len(chosen)} of them shown" if len(chosen) < len(comparison.flipped) else ""
        said = element(
            "p",
            {"class": "note"},
            f"{_counted(comparison.flipped)}{more}. Above the answer of ",
            element("b", {}, element("bdi", {}, first)),
            ", below that of ",
            element("b", {}, element("bdi", {}, second)),
            ".",
        )
        cards = [_flip(comparison, number, found.pictures) for number in chosen]
        parts.append(joined((said, element("div", {"class": "gallery"}, cards))))
    return joined(parts)


def _counted(pictures: Sequence[int]) -> str:
    return "1 picture" if len(pictures) == 1 else f"{len(pictures):,} pictures"


def _told_apart(comparison: Comparison) -> Sequence[int]:
    one, other = comparison.first.right(), comparison.second.right()
    return sorted(comparison.flipped, key=lambda number: bool(one[number] == other[number]))[:_FLIPS]


def _mistake(figures: Figures, mistake: Mistake, pictures: PictureSet, maps: ClassMaps | None) -> Markup:
    seen = [thumbnail(pictures, mistake.picture)]
    if maps:
        preprocess, classes = figures.contender.classifier.info.preprocess, (mistake.predicted, mistake.truth)
        seen += heat_maps(pictures, mistake.picture, maps=maps, classes=classes, preprocess=preprocess)
    lines = (
        _line("answer", figures.labels[mistake.predicted], mistake.probability, "wrong"),
        _line("truth", figures.labels[mistake.truth], mistake.truth_probability, "right"),
    )
    return _card(seen, lines, pictures.names[mistake.picture])


def _flip(comparison: Comparison, number: int, pictures: PictureSet) -> Markup:
    lines = [_answer(one, number) for one in (comparison.first, comparison.second)]
    if not (comparison.first.right()[number] or comparison.second.right()[number]):
        truth = int(comparison.first.accuracy.truth[number])
        lines.append(_line("truth", comparison.first.labels[truth], None, "truth"))
    return _card([thumbnail(pictures, number)], lines, pictures.names[number])


def _answer(figures: Figures, number: int) -> Markup:
    row, truth = figures.accuracy.probabilities[number], int(figures.accuracy.truth[number])
    predicted = int(row.argmax())
    return _line("answer", figures.labels[predicted], float(row[predicted]), "right" if predicted == truth else "wrong")


def _line(role: str, label: str, probability: float | None, kind: str) -> Markup:
    mark = {"right": "✓", "wrong": "✗", "truth": "="}[kind]
    share = "" if probability is None else f"{100 * probability:.0f}%"
    return element(
        "p",
        {"class": f"line {kind}"},
        element("span", {"class": "mark", "title": role}, mark),
        element("bdi", {"title": label}, short(label)),
        element("span", {"class": "amount"}, share),
    )


def _card(seen: Sequence[Markup], lines: Sequence[Markup], name: str) -> Markup:
    caption = element(
        "figcaption", {}, joined(lines), element("p", {"class": "name", "title": name}, element("bdi", {}, name))
    )
    return element("figure", {"class": "shot"}, element("div", {"class": "seen"}, joined(seen)), caption)
