"""The report page of an evaluation: its sections, from header to footer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from edgekit import __version__
from edgekit.evaluate.evaluation import Evaluation, ModelMetrics
from edgekit.evaluate.multi_label_evaluation import MultiLabelEvaluation, MultiLabelMetrics
from edgekit.evaluate.timing import prediction_speeds
from edgekit.files import write_atomically
from edgekit.report import multi_label
from edgekit.report.charts import confidence_histogram, coverage_curve, reliability_curve
from edgekit.report.class_table import class_table
from edgekit.report.confusion import confusion_section
from edgekit.report.gallery import flips_gallery, mistakes_gallery
from edgekit.report.html import Markup, concatenate, element
from edgekit.report.html_document import html_document, section, unreadable_section
from edgekit.report.summary import model_cards, verdicts

_CALIBRATED = 0.01  # gap between mean confidence and accuracy below which a model counts as calibrated
_Metrics = TypeVar("_Metrics", ModelMetrics, MultiLabelMetrics)

AnyEvaluation: TypeAlias = Evaluation | MultiLabelEvaluation


def write_report(evaluation: AnyEvaluation, path: Path) -> None:
    """Write the HTML report of an evaluation.

    The models are timed for it, from image file to label, in turn.

    Args:
        evaluation: the result of `evaluate` or `evaluate_multi_label`.
        path: the .html file to write.

    Raises:
        EdgekitError: the file cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.report import write_report
        >>> write_report(evaluation, Path("report.html"))  # doctest: +SKIP
    """
    write_atomically(path, page(evaluation).encode())


def page(evaluation: AnyEvaluation) -> str:
    """The HTML of the report."""
    title = f"{evaluation.data}: {' and '.join(metrics.model.name for metrics in evaluation.models)}"
    if isinstance(evaluation, MultiLabelEvaluation):
        sections, footnote = _multi_label_sections(evaluation), multi_label.FOOTNOTE
    else:
        sections, footnote = _sections(evaluation), _FOOTNOTE
    sections += unreadable_section(evaluation.unreadable)
    return html_document(title, _header(evaluation), sections, _footer(footnote))


def _header(evaluation: AnyEvaluation) -> Markup:
    classes = max(len(metrics.labels) for metrics in evaluation.models)
    facts = [f"{len(evaluation.images):,} images", f"{classes:,} classes"]
    if evaluation.unreadable:
        facts.append(f"{len(evaluation.unreadable):,} more unreadable")
    heading = element("h1", {}, element("bdi", {}, evaluation.data))
    return element(
        "header", {}, element("p", {"class": "kicker"}, "Evaluation"), heading, element("p", {}, ", ".join(facts))
    )


def _sections(evaluation: Evaluation) -> list[Markup]:
    speeds = prediction_speeds([metrics.model for metrics in evaluation.models], evaluation.images)
    sections = [element("section", {}, verdicts(evaluation, speeds), model_cards(evaluation, speeds))]
    flips = flips_gallery(evaluation)
    if flips:
        sections.append(section("Different predictions", flips))
    sections += [
        section("Calibration", _curves(evaluation)),
        section("Confusion matrix", _each_model(evaluation.models, confusion_section)),
        section(
            "Metrics by class",
            _each_model(evaluation.models, lambda metrics: class_table(metrics, evaluation.models[0])),
        ),
        section(
            "Most confident mistakes",
            _each_model(evaluation.models, lambda metrics: mistakes_gallery(metrics, evaluation.images)),
        ),
    ]
    return sections


def _multi_label_sections(evaluation: MultiLabelEvaluation) -> list[Markup]:
    speeds = prediction_speeds([metrics.model for metrics in evaluation.models], evaluation.images)
    summary = multi_label.verdicts(evaluation, speeds), multi_label.model_cards(evaluation, speeds)
    return [
        element("section", {}, *summary),
        section("Metrics by class", _each_model(evaluation.models, multi_label.class_table)),
        section(
            "Most confident mistakes",
            _each_model(evaluation.models, lambda metrics: multi_label.mistakes_gallery(metrics, evaluation.images)),
        ),
    ]


def _each_model(models: Sequence[_Metrics], draw: Callable[[_Metrics], Markup]) -> Markup:
    """Draw the same for every model: directly if there is one, else in collapsible blocks, the first one open."""
    if len(models) == 1:
        return draw(models[0])
    blocks = []
    for number, metrics in enumerate(models):
        summary = element("summary", {}, _legend(number, metrics))
        blocks.append(element("details", {} if number else {"open": ""}, summary, draw(metrics)))
    return concatenate(blocks)


def _legend(number: int, metrics: ModelMetrics | MultiLabelMetrics) -> Markup:
    return concatenate((element("i", {"class": f"key c{number % 6}"}, ""), element("bdi", {}, metrics.model.name)))


def _curves(evaluation: Evaluation) -> Markup:
    charts = []
    for number, metrics in enumerate(evaluation.models):
        calibration = metrics.calibration
        text = (
            f"{_confidence_sentence(metrics)} Expected calibration error {100 * calibration.ece:.2f}%"
            f"{_uncalibrated_clause(metrics)}; after scaling with temperature {calibration.temperature:.2f} (dots), "
            f"{100 * calibration.scaled_ece:.2f}%."
        )
        caption = element("figcaption", {}, element("b", {}, _legend(number, metrics)), text)
        charts.append(element("figure", {}, reliability_curve(calibration), confidence_histogram(calibration), caption))
    names = [element("span", {"class": "legend"}, _legend(*numbered)) for numbered in enumerate(evaluation.models)]
    text = "Accuracy if only the most confident predictions are used."
    charts.append(
        element(
            "figure",
            {},
            coverage_curve(evaluation.models),
            element("figcaption", {}, text, element("div", {"class": "legends"}, names)),
        )
    )
    note = (
        "Bars show the accuracy of predictions by their confidence. A calibrated model lies on the diagonal; red gaps "
        "show how far it is off."
    )
    return concatenate((element("div", {"class": "charts"}, charts), element("p", {"class": "note"}, note)))


def _confidence_sentence(metrics: ModelMetrics) -> str:
    confidence, accuracy = float(metrics.accuracy.confidence().mean()), metrics.top1.value
    verdict = "underconfident" if accuracy > confidence else "overconfident"
    facts = f"Mean confidence {100 * confidence:.1f}%, accuracy {100 * accuracy:.1f}%"
    return f"{facts}." if abs(accuracy - confidence) < _CALIBRATED else f"{facts}: {verdict}."


def _uncalibrated_clause(metrics: ModelMetrics) -> str:
    if metrics.uncalibrated_ece is None:
        return ""
    return f" (without the model's own temperature of {metrics.temperature:.3g}, {100 * metrics.uncalibrated_ece:.2f}%)"


_FOOTNOTE = (
    "Top-1 is the share of images whose most probable class is the true one, with its 95% Wilson interval. Models are "
    "compared image by image with McNemar's exact test: an image is gained if only the model named first predicts it "
    "correctly. Calibration uses 15 bins of equal width; the temperature is fitted to these images by minimizing the "
    "negative log-likelihood. "
)


def _footer(footnote: str) -> Markup:
    text = (
        f"{footnote}Times were measured from image file to label, all models in turn. Made with edgekit {__version__}."
    )
    return element("footer", {}, element("p", {}, text))
