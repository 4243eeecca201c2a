"""The report page of a data set: what was found in it, with the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgekit import __version__
from edgekit.audit.audit_document import size_summary
from edgekit.audit.data_audit import Audit
from edgekit.audit.duplicates import DuplicateGroup
from edgekit.audit.findings import findings
from edgekit.audit.label_issues import LabelIssue
from edgekit.audit.outliers import Outlier
from edgekit.files import write_atomically
from edgekit.image.size import Size
from edgekit.report.gallery import image_card, label_line
from edgekit.report.html import Markup, concatenate, element
from edgekit.report.html_document import html_document, section, unreadable_section
from edgekit.report.summary import fact
from edgekit.report.thumbnails import thumbnail

_LABELS_SHOWN, _OUTLIERS_SHOWN, _GROUPS_SHOWN = 30, 12, 12
_GROUP_IMAGES = 4  # of one group
_CLASSES_SHOWN, _UNREADABLE_SHOWN = 100, 50


def write_data_report(audit: Audit, path: Path) -> None:
    """Write the HTML report of an audit.

    Args:
        audit: the result of `edgekit.audit.audit`.
        path: the .html file to write.

    Raises:
        EdgekitError: the file cannot be written, or an image can no longer be read.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.audit import audit
        >>> from edgekit.report import write_data_report
        >>> write_data_report(audit("photos"), Path("data.html"))  # doctest: +SKIP
    """
    write_atomically(path, data_page(audit).encode())


def data_page(audit: Audit) -> str:
    """The HTML of the report."""
    total, classes = sum(map(len, audit.splits.values())), len(_classes(audit))
    facts = [f"{total:,} image{'s' * (total > 1)}", *([f"{classes:,} class{'es' * (classes > 1)}"] * bool(classes))]
    header = element(
        "header",
        {},
        element("p", {"class": "kicker"}, "Data set"),
        element("h1", {}, element("bdi", {}, audit.data)),
        element("p", {}, ", ".join(facts)),
    )
    sections = [
        section("Findings", _findings(audit)),
        section("Contents", _contents(audit)),
        *_duplicates(audit),
        *_suspicious_labels(audit),
        *_outliers(audit),
        *unreadable_section(audit.survey.unreadable, most=_UNREADABLE_SHOWN),
    ]
    return html_document(audit.data, header, sections, element("footer", {}, element("p", {}, _footnote(audit))))


def _classes(audit: Audit) -> tuple[str, ...]:
    return audit.survey.images.classes


def _findings(audit: Audit) -> Markup:
    sentences = [element("li", {}, f"{text[:1].upper()}{text[1:]}.") for text in findings(audit)]
    found = element("ul", {"class": "findings"}, sentences) if sentences else element("p", {}, "Nothing was found.")
    notes = [element("p", {"class": "note"}, f"Note: {note}.") for note in audit.unjudged]
    return concatenate((found, notes))


def _contents(audit: Audit) -> Markup:
    sizes = {name: str(Size(*size)) for name, size in size_summary(audit).items()}
    facts = [
        *(fact(split.capitalize(), f"{len(images):,} images") for split, images in audit.splits.items()),
        *(fact(f"{name.capitalize()} size", size) for name, size in sizes.items()),
        fact("Formats", _counted(audit.survey.formats)),
        fact("Color modes", _counted(audit.survey.modes)),
    ]
    return concatenate((element("dl", {"class": "facts c0"}, facts), _class_table(audit)))


def _counted(values: Iterable[str]) -> str:
    return ", ".join(f"{value} ({count:,})" for value, count in Counter(values).most_common()) or "none"


def _class_table(audit: Audit) -> Markup:
    """The images of each class by split, with a strip for the first split."""
    classes = _classes(audit)
    if not classes:
        return Markup()
    counts = [images.class_counts() for images in audit.splits.values()]
    most = max(int(counts[0].max()), 1)
    order = (-counts[0]).argsort(kind="stable").tolist()
    names = ("class", *audit.splits)
    head = element("thead", {}, element("tr", {}, [element("th", {}, name) for name in names]))
    rows = []
    for index in order[:_CLASSES_SHOWN]:
        strip = element("span", {"class": "strip", "style": f"--share:{counts[0][index] / most:.3f}"}, "")
        cells = [
            element("td", {}, f"{of_split[index]:,}", strip if of_split is counts[0] else Markup())
            for of_split in counts
        ]
        name = element("th", {"title": classes[index]}, element("bdi", {}, classes[index]))
        rows.append(element("tr", {}, name, cells))
    table = element(
        "div", {"class": "scroll"}, element("table", {"class": "classes"}, head, element("tbody", {}, rows))
    )
    hidden = len(order) - len(rows)
    note = element("p", {"class": "note"}, f"{hidden:,} more classes have fewer images.") if hidden else Markup()
    return concatenate((table, note))


def _duplicates(audit: Audit) -> list[Markup]:
    """The first groups of each kind: across splits, with different labels, and the others."""
    kinds = (
        ("Duplicates across splits", [g for g in audit.duplicates if g.spans_splits]),
        ("Duplicates with different labels", [g for g in audit.duplicates if g.spans_classes and not g.spans_splits]),
        ("Other duplicates", [g for g in audit.duplicates if not (g.spans_classes or g.spans_splits)]),
    )
    return [section(title, _groups(audit, groups)) for title, groups in kinds if groups]


def _groups(audit: Audit, groups: Sequence[DuplicateGroup]) -> Markup:
    shown = groups[:_GROUPS_SHOWN]
    note = f"{len(groups):,} {'group' if len(groups) == 1 else 'groups'}"
    note += f", {len(shown)} shown." if len(shown) < len(groups) else "."
    blocks = [
        element(
            "div",
            {},
            element("h4", {}, _kind(group)),
            element("div", {"class": "gallery"}, [_card(audit, image) for image in _spread(audit, group)]),
        )
        for group in shown
    ]
    return concatenate((element("p", {"class": "note"}, note), element("div", {"class": "groups"}, blocks)))


def _spread(audit: Audit, group: DuplicateGroup) -> Sequence[int]:
    """A few images of a group, of as many splits and classes as possible."""
    seen: set[tuple[str, tuple[int, ...]]] = set()
    first: list[int] = []
    others: list[int] = []
    for image in group.images:
        kind = audit.survey.splits[image], audit.labels_of(image)
        (others if kind in seen else first).append(image)
        seen.add(kind)
    return (first + others)[:_GROUP_IMAGES]


def _kind(group: DuplicateGroup) -> str:
    kind = "Same pixels" if group.is_exact else f"Near duplicates, similarity {group.similarity:.2f}"
    details = [name for name, holds in (("mirrored", group.is_mirrored), ("cropped", group.is_cropped)) if holds]
    count = f"{len(group.images)} images" + (f", {_GROUP_IMAGES} shown" if len(group.images) > _GROUP_IMAGES else "")
    return ", ".join([kind, *details, count])


def _card(audit: Audit, image: int) -> Markup:
    split, label = audit.survey.splits[image], audit.label_text(audit.labels_of(image))
    text = f"{split}: {label}" if _classes(audit) else split
    line = element("p", {"class": "line plain"}, element("bdi", {"title": text}, text))
    return image_card([thumbnail(audit.survey.images, image)], [line], audit.survey.images.names[image])


def _suspicious_labels(audit: Audit) -> list[Markup]:
    if not audit.label_issues:
        return []
    shown = audit.suspicious[:_LABELS_SHOWN]
    if not shown:
        return [section("Suspicious labels", element("p", {}, "None."))]
    more = f" ({len(shown)} shown)" if len(shown) < len(audit.suspicious) else ""
    note = (
        f"{len(audit.suspicious):,} of {len(audit.label_issues):,}{more}, the most doubtful first. \u2717 marks the "
        "given label, \u2713 what the other images suggest, with their probabilities. Some of the labels are right, "
        "and the image is merely unusual: look before you change one."
    )
    cards = [_issue(audit, issue) for issue in shown]
    return [
        section("Suspicious labels", element("p", {"class": "note"}, note), element("div", {"class": "gallery"}, cards))
    ]


def _issue(audit: Audit, issue: LabelIssue) -> Markup:
    lines = (
        label_line("given label", audit.label_text(issue.labels), issue.probability, "wrong"),
        label_line("likely label", audit.label_text(issue.likely), issue.likely_probability, "right"),
    )
    images = audit.survey.images
    return image_card([thumbnail(images, issue.image)], lines, images.names[issue.image])


def _outliers(audit: Audit) -> list[Markup]:
    if not audit.clear_outliers:
        return []
    shown: Sequence[Outlier] = audit.clear_outliers[:_OUTLIERS_SHOWN]
    note = f"{len(audit.clear_outliers):,} {'image' if len(audit.clear_outliers) == 1 else 'images'}"
    note += f", {len(shown)} shown" if len(shown) < len(audit.clear_outliers) else ""
    cards = [_card(audit, outlier.image) for outlier in shown]
    return [
        section(
            "Outliers",
            element("p", {"class": "note"}, f"{note}, the strangest first."),
            element("div", {"class": "gallery"}, cards),
        )
    ]


def _footnote(audit: Audit) -> str:
    judged = (
        f"Labels and outliers are judged by cross-validated discriminant analysis of the logits of {audit.model}; a "
        "label is suspicious by confident learning (Northcutt, Jiang and Chuang 2021). "
        if audit.model is not None
        else ""
    )
    return (
        f"{judged}Exact duplicates have equal pixels, however their files store them; near duplicates differ by "
        "encoding, size, brightness, mirroring or a slight crop. Nothing in the data set was changed. Made with "
        f"edgekit {__version__}."
    )
