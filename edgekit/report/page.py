"""The page of an evaluation, from its head to its foot."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from edgekit import __version__
from edgekit.evaluate.evaluation import Evaluation, Figures
from edgekit.evaluate.timing import speeds
from edgekit.files import write_atomically
from edgekit.report.charts import confidences, coverage, reliability
from edgekit.report.class_table import class_table
from edgekit.report.confusion import confusion_section
from edgekit.report.gallery import flips_gallery, mistakes_gallery
from edgekit.report.html import Markup, element, joined, void
from edgekit.report.summary import at_a_glance, verdicts

# No script runs and nothing is fetched, whatever a label says. The styles are ours.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CALIBRATED = 0.01  # between the mean confidence and the share of right answers: less is no fault


def write_report(found: Evaluation, path: Path) -> None:
    """Write the page. Every contender is timed for it, from picture file to label, in turn."""
    write_atomically(path, page(found).encode())


def page(found: Evaluation) -> str:
    """The HTML of the page."""
    css = files("edgekit.report").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{found.data}: {' and '.join(one.contender.name for one in found.figures)}"
    head = element(
        "head",
        {},
        void("meta", {"charset": "utf-8"}),
        void("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        void("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        void("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, title),
        Markup(f"<style>{css}</style>"),
    )
    body = element("body", {}, _header(found), element("main", {}, _sections(found)), _footer())
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body)}\n"


def _header(found: Evaluation) -> Markup:
    classes = max(len(one.labels) for one in found.figures)
    facts = [f"{len(found.pictures):,} pictures", f"{classes:,} classes"]
    if found.unreadable:
        facts.append(f"{len(found.unreadable):,} more could not be read")
    heading = element("h1", {}, element("bdi", {}, found.data))
    return element(
        "header", {}, element("p", {"class": "kicker"}, "Evaluation"), heading, element("p", {}, ", ".join(facts))
    )


def _sections(found: Evaluation) -> list[Markup]:
    measured = speeds([one.contender for one in found.figures], found.pictures)
    sections = [element("section", {}, verdicts(found, measured), at_a_glance(found, measured))]
    flips = flips_gallery(found)
    if flips:
        sections.append(_section("Answered differently", flips))
    sections += [
        _section("How far its confidence can be trusted", _curves(found)),
        _section("What is taken for what", _each(found, confusion_section)),
        _section("Class by class", _each(found, lambda one: class_table(one, found.figures[0]))),
        _section("The most confident mistakes", _each(found, lambda one: mistakes_gallery(one, found.pictures))),
    ]
    if found.unreadable:
        rows = [element("li", {}, element("b", {}, name), f" {reason}") for name, reason in found.unreadable]
        sections.append(_section("Not read", element("ul", {"class": "failures"}, rows)))
    return sections


def _section(title: str, content: Markup) -> Markup:
    return element("section", {}, element("h2", {}, title), content)


def _each(found: Evaluation, draw: Callable[[Figures], Markup]) -> Markup:
    """The same of every contender: bare where there is one, else each behind its name, the first one open."""
    if len(found.figures) == 1:
        return draw(found.figures[0])
    return joined(
        element("details", {} if number else {"open": ""}, element("summary", {}, _named(number, one)), draw(one))
        for number, one in enumerate(found.figures)
    )


def _named(number: int, figures: Figures) -> Markup:
    return joined((element("i", {"class": f"key c{number % 6}"}, ""), element("bdi", {}, figures.contender.name)))


def _curves(found: Evaluation) -> Markup:
    charts = []
    for number, one in enumerate(found.figures):
        calibration = one.calibration
        said = (
            f"{_manner(one)} Expected calibration error {100 * calibration.ece:.2f}%; with the temperature "
            f"{calibration.temperature:.2f} (dots) {100 * calibration.scaled_ece:.2f}%."
        )
        caption = element("figcaption", {}, element("b", {}, _named(number, one)), " ", said)
        charts.append(element("figure", {}, reliability(calibration), confidences(calibration), caption))
    names = [element("span", {"class": "legend"}, _named(number, one)) for number, one in enumerate(found.figures)]
    said = "Accuracy if only the surest answers are taken and the others are left to somebody else. "
    charts.append(element("figure", {}, coverage(found.figures), element("figcaption", {}, said, names)))
    how = (
        "Bars: how many of the answers given with a confidence are right. On the diagonal a model is as often right as "
        "it says; a red gap is how far it is off."
    )
    return joined((element("div", {"class": "charts"}, charts), element("p", {"class": "note"}, how)))


def _manner(figures: Figures) -> str:
    sure, right = float(figures.accuracy.probabilities.max(axis=1).mean()), figures.top1.value
    verdict = "too modest" if right > sure else "too sure"
    said = f"{100 * sure:.1f}% sure in the mean, and right in {100 * right:.1f}%"
    return f"{said}." if abs(right - sure) < _CALIBRATED else f"{said}: {verdict}."


def _footer() -> Markup:
    said = (
        "Top-1: share of the pictures whose most probable class is the true one, with its 95% interval (Wilson). "
        "Models are compared picture by picture by the exact test of McNemar. Calibration: 15 bins of equal width; the "
        "temperature is fitted on these pictures by negative log-likelihood. Times are of this machine, from picture "
        f"file to label, all models in turn. edgekit {__version__}."
    )
    return element("footer", {}, element("p", {}, said))
