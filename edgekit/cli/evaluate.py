"""`edgekit evaluate`: accuracy, calibration and confusion of models, and which of them is better."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.layout import paragraph
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import stage_progress, uncounted_stage
from edgekit.cli.render import percent, write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.wrong_files import check_model_files, is_model_file
from edgekit.errors import EXIT_SOME_FAILED, printable
from edgekit.stages import step_counter

if TYPE_CHECKING:
    from edgekit.evaluate.evaluation import Comparison, Evaluation, ModelMetrics
    from edgekit.evaluate.intervals import Interval
    from edgekit.evaluate.predictions import EvaluatedModel
    from edgekit.report.page import AnyEvaluation
    from edgekit.runtime.classifier import Classifier
    from edgekit.shards import ShardLayout

EXAMPLES = """Examples:
  edgekit evaluate model.onnx photos/
  edgekit evaluate model.onnx model-int8.onnx photos.tar.gz --report report.html
  edgekit evaluate model.onnx photos/ --truth truth.csv --map automobile=car
  edgekit evaluate model-crops.onnx photos/ --crops center --crops adaptive
  edgekit evaluate multi-label.onnx table.csv
  edgekit evaluate model.onnx 'shards/val-{000..001}.tar'
"""
_METRICS_HEADER = (
    *("model", "top-1", "95% interval", "top-5", "macro F1", "ECE", "uncalibrated ECE"),
    *("best temperature", "best ECE"),  # of a further temperature, fitted to these images
)
_CLASSES_SHOWN, _PAIRS_SHOWN, _MISTAKES_SHOWN = 12, 5, 5


def run(
    models_and_data: Annotated[
        tuple[str, ...],
        Argument(
            "Model files (.onnx) or names of built-in models; last, the labeled data set: image folder, archive, idx "
            "files, CSV file of file,label, or tar or Parquet shards (file, folder, pattern, s3:// address).",
            metavar="MODEL... DATA",
        ),
    ],
    crops: Annotated[
        tuple[str, ...],
        Option(
            "Crop plan, as in `edgekit predict`; repeat to compare several.",
            metavar="PLAN",
            default_text="1",
            argument="plan",
        ),
    ] = (),
    split: Annotated[
        str, Option("Images to use: train, val, all, or held-out (val if the data has splits, otherwise all).")
    ] = "held-out",
    truth: Annotated[Path | None, shared.TRUTH] = None,
    image_column: Annotated[str | None, shared.IMAGE_COLUMN] = None,
    label_column: Annotated[str | None, shared.LABEL_COLUMN] = None,
    class_names: Annotated[Path | None, shared.CLASS_NAMES] = None,
    synonyms: Annotated[
        tuple[str, ...],
        Option(
            "Match class OLD of the data to label NEW of the model; or a CSV file of old,new. May be repeated.",
            metavar="OLD=NEW",
            flags=("--map",),
            default_text="none",
        ),
    ] = (),
    no_calibration: Annotated[
        bool, Option("Ignore the temperatures of the model files: evaluate uncalibrated probabilities.")
    ] = False,
    threads: Annotated[int | None, shared.THREADS] = None,
    report: Annotated[
        Path | None,
        Option("Also write a self-contained report (.html).", default_text="none", writes=(".html", ".htm")),
    ] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Evaluate accuracy, calibration and confusion on labeled images, and compare models.

    Exit status 3 if some images could not be read; the figures are those of the rest.
    """
    from edgekit import dataset
    from edgekit.errors import SpecError, quote
    from edgekit.evaluate.evaluation import evaluate
    from edgekit.evaluate.multi_label_evaluation import evaluate_multi_label
    from edgekit.evaluate.predictions import predict_all
    from edgekit.label_files import read_synonyms
    from edgekit.shards.stores import shown

    *models, data = models_and_data
    if not models or is_model_file(data):
        raise SpecError(f"DATA is required after MODEL... (got {quote(data)} as the last argument)")
    check_model_files(*models)
    build_models(*models)
    if report and report.is_dir():  # reported before minutes are spent
        raise SpecError(f"--report must be a file, e.g. {report / 'report.html'} (got the folder {quote(str(report))})")
    evaluated = _evaluated_models(models, crops or ("1",), threads=threads)
    layout = _layout(image_column, label_column, class_names)
    with uncounted_stage("listing images"):
        images = dataset.read(data, split, truth=truth, layout=layout)
    name = Path(shown(data)).name or data
    with stage_progress() as progress:
        on_image = step_counter(progress, "evaluating", len(evaluated) * len(images))
        predictions = predict_all(
            evaluated, images, synonyms=read_synonyms(synonyms), calibrated=not no_calibration, on_image=on_image
        )
        progress("computing the metrics", 0, None)
        measure = evaluate_multi_label if images.task == "multi-label" else evaluate
        evaluation: AnyEvaluation = measure(predictions, data=name)
    _write_evaluation(evaluation, json=json)
    if report:
        from edgekit.report import write_report

        with uncounted_stage("writing the report"):
            write_report(evaluation, report)
        write_message(f"wrote {report}")
    for name, reason in evaluation.unreadable:
        write_message(f"error: {name}: {reason}")
    if evaluation.unreadable:
        sys.exit(EXIT_SOME_FAILED)


def _layout(image_column: str | None, label_column: str | None, class_names: Path | None) -> ShardLayout:
    from edgekit.label_files import read_labels
    from edgekit.shards import ShardLayout

    names = None if class_names is None else read_labels(class_names)
    return ShardLayout(image_column=image_column, label_column=label_column, class_names=names)


def _evaluated_models(models: Sequence[str], plans: Sequence[str], *, threads: int | None) -> list[EvaluatedModel]:
    """Return every model with every plan, each with a name of its own."""
    from edgekit.evaluate.predictions import EvaluatedModel
    from edgekit.hub.model_files import model_path
    from edgekit.runtime.classifier import Classifier

    models = list(dict.fromkeys(models))
    stems = [Path(model).stem for model in models]
    evaluated = []
    for model, stem in zip(models, stems, strict=True):
        classifier, short = Classifier(model, threads=threads), stem if stems.count(stem) == 1 else model
        names = list(dict.fromkeys(_plan_name(plan, classifier) for plan in plans))  # 1 and center are the same plan
        for plan in names:
            name = short if len(names) == 1 else f"{short}, {plan}"
            evaluated.append(EvaluatedModel(name, model_path(model), classifier, plan))
    return evaluated


def _plan_name(plan: str, classifier: Classifier) -> str:
    """Return the full name of a plan. Raises SpecError if it is unknown, or adaptive and not fitted to the model."""
    from edgekit.preprocess.crops import CropPlan
    from edgekit.runtime.prediction import Request

    request = Request(top=1, plan=plan, budget=None, average="probabilities", unknown_below=0.0, channels="RGB")
    crop_plan = request.plan_for(classifier.info, classifier.name)
    return crop_plan.name if isinstance(crop_plan, CropPlan) else plan


def _warn_of_other_accuracy(metrics: ModelMetrics) -> None:
    """Warn if the accuracy recorded in the file is outside the measured interval: int8 can differ by processor."""
    recorded, top1 = metrics.recorded_top1, metrics.top1
    if recorded is not None and not top1.low <= recorded <= top1.high:
        write_message(
            f"warning: {metrics.model.name}: measured top-1 {percent(top1.value)}, but the file records "
            f"{percent(recorded)}; check that the images are the same, and run `edgekit doctor` to check int8 support"
        )


def _write_evaluation(evaluation: AnyEvaluation, *, json: bool) -> None:
    from edgekit.evaluate.evaluation import Evaluation

    if json:
        write_json(evaluation.to_dict())
    if isinstance(evaluation, Evaluation):
        if not json:
            _write_tables(evaluation)
        for metrics in evaluation.models:
            _warn_of_other_accuracy(metrics)
            _warn_of_missed_classes(metrics)
    elif not json:
        from edgekit.cli.multi_label_tables import write_multi_label

        write_multi_label(evaluation)


def _warn_of_missed_classes(metrics: ModelMetrics) -> None:
    from edgekit.evaluate.confusion import never_predicted

    missed = never_predicted(metrics.confusion, metrics.labels)
    if missed:
        write_message(f"warning: {metrics.model.name}: {missed}")


def _write_tables(evaluation: Evaluation) -> None:
    unreadable = f", {len(evaluation.unreadable)} more unreadable" if evaluation.unreadable else ""
    write(printable(f"{evaluation.data}: {len(evaluation.images)} images{unreadable}"))
    write("")
    write(table(_METRICS_HEADER, map(_metrics_row, evaluation.models)))
    for comparison in evaluation.comparisons:
        write("")
        write(paragraph(printable(_comparison_line(comparison))))
    if len(evaluation.models) == 1:
        _write_details(evaluation.models[0], evaluation.images.names)


def _metrics_row(metrics: ModelMetrics) -> tuple[str, ...]:
    calibration = metrics.calibration
    return (
        metrics.model.name,
        percent(metrics.top1.value),
        _interval_text(metrics.top1),
        percent(metrics.top5.value),
        f"{metrics.macro_f1:.4f}",
        f"{calibration.ece:.4f}",
        "-" if metrics.uncalibrated_ece is None else f"{metrics.uncalibrated_ece:.4f}",
        f"{calibration.temperature:.3f}",
        f"{calibration.scaled_ece:.4f}",
    )


def _interval_text(interval: Interval) -> str:
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"


def _comparison_line(comparison: Comparison) -> str:
    paired = comparison.paired
    first, second = comparison.first.model.name, comparison.second.model.name
    return (
        f"{second} vs {first}: {paired.won} images gained, {paired.lost} lost "
        f"({len(comparison.flipped)} predicted differently); {paired.verdict}"
    )


def _write_details(metrics: ModelMetrics, names: tuple[str, ...]) -> None:
    present = [row for row in metrics.classes if row.images]
    shown = sorted(present, key=lambda row: row.f1 or 0.0)[:_CLASSES_SHOWN]
    write("")
    if len(shown) < len(present):
        write(f"the {len(shown)} weakest of {len(present)} classes:")
    cells = [(r.label, str(r.images), percent(r.precision), percent(r.recall), percent(r.f1)) for r in shown]
    write(table(("class", "images", "precision", "recall", "F1"), cells))
    for figure, text in _mistake_lines(metrics, names):
        write(paragraph(f"{figure}{printable(text)}", indent=" " * len(figure)))


def _mistake_lines(metrics: ModelMetrics, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Lines with figures before texts."""
    from edgekit.evaluate.confusion import confused_pairs

    labels = metrics.labels
    for number, pair in enumerate(confused_pairs(metrics.confusion)[:_PAIRS_SHOWN]):
        yield from () if number else (("", ""), ("", "most confused (true -> predicted):"))
        yield f"  {pair.images:>4}  ", f"{labels[pair.truth]} -> {labels[pair.predicted]}"
    for number, mistake in enumerate(metrics.mistakes[:_MISTAKES_SHOWN]):
        yield from () if number else (("", ""), ("", "most confident mistakes:"))
        confusion = f"{labels[mistake.truth]} -> {labels[mistake.predicted]}"
        yield f"  {percent(mistake.probability):>7}  ", f"{confusion}  {names[mistake.image]}"
