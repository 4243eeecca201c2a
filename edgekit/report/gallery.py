"""Galleries of images with predictions: the most confident mistakes, and where two models disagree."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.dataset import ImageSet
from edgekit.evaluate.evaluation import Comparison, Evaluation, Mistake, ModelMetrics
from edgekit.report.html import Markup, concatenate, element, short_label
from edgekit.report.thumbnails import heat_map_thumbnails, thumbnail
from edgekit.runtime.activation_maps import has_maps

_MAX_FLIPS = 18
_MARKS = {"right": "✓", "wrong": "✗", "truth": "="}


def mistakes_gallery(metrics: ModelMetrics, images: ImageSet) -> Markup:
    """The most confident mistakes, with class activation maps if the model has them."""
    if not metrics.mistakes:
        return element("p", {}, "None: every image is predicted correctly.")
    with_maps = has_maps(metrics.model.classifier)
    cards = [_mistake(metrics, mistake, images, with_maps=with_maps) for mistake in metrics.mistakes]
    note = (
        f"{_MARKS['wrong']} marks the predicted class, {_MARKS['right']} the true class; with predicted probabilities."
    )
    if with_maps:
        note += (
            " Next to each image: the network's input with class activation maps, which show in red where the network "
            "sees evidence for the predicted class (left) and for the true class (right)."
        )
    gallery = element("div", {"class": "gallery wide" if with_maps else "gallery"}, cards)
    return concatenate((element("p", {"class": "note"}, note), gallery))


def flips_gallery(evaluation: Evaluation) -> Markup:
    """For each comparison, images with different predictions; those that one model predicts correctly come first."""
    parts = []
    for comparison in evaluation.comparisons:
        shown = _shown_flips(comparison)
        if not shown:
            continue
        first, second = comparison.first.model.name, comparison.second.model.name
        more = f" ({len(shown)} shown)" if len(shown) < len(comparison.flipped) else ""
        note = element(
            "p",
            {"class": "note"},
            f"{_image_count(comparison.flipped)}{more}. First line: ",
            element("b", {}, element("bdi", {}, first)),
            "; second line: ",
            element("b", {}, element("bdi", {}, second)),
            f". Correct predictions are marked {_MARKS['right']}, wrong ones {_MARKS['wrong']}; ",
            f"{_MARKS['truth']} marks the true class if both are wrong.",
        )
        cards = [_flip(comparison, number, evaluation.images) for number in shown]
        parts.append(concatenate((note, element("div", {"class": "gallery"}, cards))))
    return concatenate(parts)


def _image_count(images: Sequence[int]) -> str:
    return "1 image" if len(images) == 1 else f"{len(images):,} images"


def _shown_flips(comparison: Comparison) -> Sequence[int]:
    first, second = comparison.first.correct(), comparison.second.correct()
    return sorted(comparison.flipped, key=lambda number: bool(first[number] == second[number]))[:_MAX_FLIPS]


def _mistake(metrics: ModelMetrics, mistake: Mistake, images: ImageSet, *, with_maps: bool) -> Markup:
    shots = [thumbnail(images, mistake.image)]
    if with_maps:
        classes = (mistake.predicted, mistake.truth)
        shots += heat_map_thumbnails(metrics.model.classifier, images, mistake.image, classes)
    lines = (
        label_line("prediction", metrics.labels[mistake.predicted], mistake.probability, "wrong"),
        label_line("truth", metrics.labels[mistake.truth], mistake.truth_probability, "right"),
    )
    return image_card(shots, lines, images.names[mistake.image])


def _flip(comparison: Comparison, number: int, images: ImageSet) -> Markup:
    lines = [_prediction_line(metrics, number) for metrics in (comparison.first, comparison.second)]
    if not (comparison.first.correct()[number] or comparison.second.correct()[number]):
        truth = int(comparison.first.accuracy.truth[number])
        lines.append(label_line("truth", comparison.first.labels[truth], None, "truth"))
    return image_card([thumbnail(images, number)], lines, images.names[number])


def _prediction_line(metrics: ModelMetrics, number: int) -> Markup:
    row, truth = metrics.accuracy.probabilities[number], int(metrics.accuracy.truth[number])
    predicted = int(row.argmax())
    return label_line(
        "prediction", metrics.labels[predicted], float(row[predicted]), "right" if predicted == truth else "wrong"
    )


def label_line(role: str, label: str, probability: float | None, kind: str) -> Markup:
    share = "" if probability is None else f"{100 * probability:.0f}%"
    return element(
        "p",
        {"class": f"line {kind}"},
        element("span", {"class": "mark", "title": role}, _MARKS[kind]),
        element("bdi", {"title": label}, short_label(label)),
        element("span", {"class": "amount"}, share),
    )


def image_card(shots: Sequence[Markup], lines: Sequence[Markup], name: str) -> Markup:
    caption = element(
        "figcaption", {}, concatenate(lines), element("p", {"class": "name", "title": name}, element("bdi", {}, name))
    )
    return element("figure", {"class": "shot"}, element("div", {"class": "images"}, concatenate(shots)), caption)
