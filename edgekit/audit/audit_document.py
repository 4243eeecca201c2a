"""An audit as a JSON document, and its images as the lines of a CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgekit.audit.data_audit import Audit
from edgekit.audit.findings import findings
from edgekit.csv_text import csv_line

_SCHEMA = 1
_COLUMNS = (
    *("rank", "file", "split", "label", "likely", "label_probability", "likely_probability", "suspicious"),
    *("outlier_score", "outlier", "duplicates", "width", "height", "format", "mode", "error"),
)


def audit_document(audit: Audit) -> dict[str, Any]:
    """All findings as JSON-ready values: the document that `edgekit data --json` prints.

    Args:
        audit: the result of `audit`.
    """
    survey, names = audit.survey, audit.survey.images.names
    return {
        "schema": _SCHEMA,
        "data": audit.data,
        "images": sum(map(len, audit.splits.values())),
        "model": audit.model,
        "findings": list(findings(audit)),
        "unjudged": list(audit.unjudged),
        "classes": list(survey.images.classes),
        "splits": {
            split: {"images": len(images), "by_class": images.class_counts().tolist() if images.classes else []}
            for split, images in audit.splits.items()
        },
        "sizes": size_summary(audit),
        "formats": dict(Counter(survey.formats).most_common()),
        "modes": dict(Counter(survey.modes).most_common()),
        "unreadable": [{"name": name, "error": reason} for name, reason in survey.unreadable],
        "duplicates": [
            {
                "images": [names[image] for image in group.images],
                "exact": group.is_exact,
                "similarity": round(group.similarity, 4),
                "mirrored": group.is_mirrored,
                "cropped": group.is_cropped,
                "across_splits": group.spans_splits,
                "across_classes": group.spans_classes,
            }
            for group in audit.duplicates
        ],
        "suspicious_labels": [
            {
                "name": names[issue.image],
                "label": audit.label_text(issue.labels),
                "likely": audit.label_text(issue.likely),
                "label_probability": issue.probability,
                "likely_probability": issue.likely_probability,
            }
            for issue in audit.suspicious
        ],
        "outliers": [{"name": names[o.image], "score": o.score} for o in audit.clear_outliers],
    }


def size_summary(audit: Audit) -> dict[str, list[int]]:
    """The smallest and largest image by area, and the median height and width: [height, width]; empty without images.

    Args:
        audit: the result of `audit`.
    """
    sizes = audit.survey.sizes
    if not len(sizes):
        return {}
    areas = sizes.prod(axis=1)
    middle = np.median(sizes, axis=0).round().astype(int)
    return {
        "smallest": sizes[areas.argmin()].tolist(),
        "median": middle.tolist(),
        "largest": sizes[areas.argmax()].tolist(),
    }


def csv_lines(audit: Audit) -> Iterator[str]:
    """The header, then a line for every image: the most doubtful label first, unreadable images last.

    Args:
        audit: the result of `audit`.
    """
    yield csv_line(_COLUMNS)
    survey = audit.survey
    issues = {issue.image: issue for issue in audit.label_issues}
    outliers = {outlier.image: outlier for outlier in audit.outliers}
    groups: dict[int, int] = {}
    for number, group in reversed(list(enumerate(audit.duplicates, 1))):
        groups |= dict.fromkeys(group.images, number)
    order = [*issues, *(image for image in range(len(survey.images)) if image not in issues)]
    for rank, image in enumerate(order, 1):
        issue, outlier = issues.get(image), outliers.get(image)
        labels = audit.labels_of(image)
        yield csv_line(
            (
                rank if issue else None,
                survey.images.names[image],
                survey.splits[image],
                audit.label_text(labels) if survey.images.classes else None,
                audit.label_text(issue.likely) if issue else None,
                round(issue.probability, 6) if issue else None,
                round(issue.likely_probability, 6) if issue else None,
                _flag(issue.is_suspicious) if issue else None,
                round(outlier.score, 4) if outlier else None,
                _flag(outlier.is_outlier) if outlier else None,
                groups.get(image),
                *reversed(survey.sizes[image].tolist()),
                survey.formats[image],
                survey.modes[image],
                None,
            )
        )
    for name, reason in survey.unreadable:
        yield csv_line((None, name, *(None,) * (len(_COLUMNS) - 3), reason))


def _flag(value: bool) -> str:
    return "yes" if value else "no"
