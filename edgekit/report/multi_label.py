"""The sections of a report on multi-label models."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.dataset import ImageSet
from edgekit.evaluate.multi_label import LabelMetrics
from edgekit.evaluate.multi_label_evaluation import (
    LabelMistake,
    MultiLabelComparison,
    MultiLabelEvaluation,
    MultiLabelMetrics,
)
from edgekit.evaluate.timing import PredictionSpeed
from edgekit.report.charts import interval_whiskers
from edgekit.report.class_table import share_cell
from edgekit.report.gallery import image_card, label_line
from edgekit.report.html import Markup, concatenate, element
from edgekit.report.summary import fact, latency_fact, size_text, speed_sentence
from edgekit.report.thumbnails import thumbnail

FOOTNOTE = (
    "mAP is the mean over the classes of the average precision: the sum of (R_n - R_{n-1}) P_n over the probabilities "
    "in descending order, without interpolation; its 95% interval is a bootstrap over the images, the same resamples "
    "for all models. Precision, recall and F1 score are those at the thresholds of the model file. "
)


def verdicts(evaluation: MultiLabelEvaluation, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    """The comparison of each further model with the first, as a sentence."""
    sentences = [_verdict(*pair) for pair in zip(evaluation.comparisons, speeds[1:], strict=True)]
    return element("div", {"class": "verdicts"}, sentences) if sentences else Markup()


def model_cards(evaluation: MultiLabelEvaluation, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    """A card for each model."""
    cards = [_card(evaluation.models, number, speeds) for number in range(len(speeds))]
    return element("div", {"class": "cards"}, cards)


def class_table(metrics: MultiLabelMetrics) -> Markup:
    """The classes that have images, that with the lowest average precision first."""
    present = [row for row in metrics.classes if row.images]
    rows = sorted(present, key=lambda row: (row.average_precision or 0.0, row.index))
    names = ("class", "images", "AP", "threshold", "precision", "recall", "F1")
    head = element("thead", {}, element("tr", {}, [element("th", {}, name) for name in names]))
    body = element("tbody", {}, [_row(row) for row in rows])
    return element("div", {"class": "scroll"}, element("table", {"class": "classes"}, head, body))


def mistakes_gallery(metrics: MultiLabelMetrics, images: ImageSet) -> Markup:
    """Labels that were given wrongly, or are missing, those with the clearest probability first."""
    if not metrics.mistakes:
        return element("p", {}, "None: every image has exactly its labels.")
    note = "✗ marks a label that the image does not have, = one that the model did not give; with its probability."
    cards = [_mistake(metrics, mistake, images) for mistake in metrics.mistakes]
    return concatenate((element("p", {"class": "note"}, note), element("div", {"class": "gallery"}, cards)))


def _verdict(comparison: MultiLabelComparison, speed: PredictionSpeed | None) -> Markup:
    gain, flipped = comparison.gain, len(comparison.flipped)
    sentence = element(
        "p",
        {},
        element("b", {}, element("bdi", {}, comparison.second.model.name)),
        " compared with ",
        element("b", {}, element("bdi", {}, comparison.first.model.name)),
        f": mAP {gain.value:+.2f} percentage points (95% interval {gain.low:+.2f} to {gain.high:+.2f}), {flipped:,} "
        f"images with other labels; {comparison.verdict}. {speed_sentence(speed)}",
    )
    return element("div", {"class": "verdict"}, sentence)


def _card(models: Sequence[MultiLabelMetrics], number: int, speeds: Sequence[PredictionSpeed | None]) -> Markup:
    metrics = models[number]
    score = metrics.mean_average_precision
    sizes = [other.model.path.stat().st_size for other in models]
    facts = [
        fact("Micro F1", "–" if metrics.micro_f1 is None else f"{metrics.micro_f1:.4f}"),
        fact("Macro F1", f"{metrics.macro_f1:.4f}"),
        latency_fact(speeds, number),
        fact("File size", size_text(sizes[number]), share=sizes[number] / max(sizes)),
        fact("Setup", f"{metrics.model.classifier.info.precision}, {metrics.model.crops}"),
    ]
    interval = element("small", {}, f"mAP (95% interval {100 * score.low:.2f} to {100 * score.high:.2f})")
    name = element("bdi", {}, metrics.model.name)
    return element(
        "article",
        {"class": "card"},
        element("h3", {}, element("i", {"class": f"key c{number % 6}"}, ""), name),
        element("p", {"class": "big"}, f"{100 * score.value:.2f}%", concatenate((" ", interval))),
        interval_whiskers([other.mean_average_precision for other in models], number, metric="mAP"),
        element("dl", {"class": f"c{number % 6}"}, facts),
    )


def _row(row: LabelMetrics) -> Markup:
    name = element("th", {"title": row.label}, element("bdi", {}, row.label))
    cells = [share_cell(share) for share in (row.precision, row.recall, row.f1)]
    figures = (share_cell(row.average_precision), element("td", {}, f"{row.threshold:.3f}"), *cells)
    return element("tr", {}, name, element("td", {}, f"{row.images:,}"), figures)


def _mistake(metrics: MultiLabelMetrics, mistake: LabelMistake, images: ImageSet) -> Markup:
    role, kind = ("missed label", "truth") if mistake.missed else ("wrong label", "wrong")
    lines = [label_line(role, metrics.labels[mistake.label], mistake.probability, kind)]
    return image_card([thumbnail(images, mistake.image)], lines, images.names[mistake.image])
