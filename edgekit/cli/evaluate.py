"""`edgekit evaluate`: how often models are right, where they are not, and which of them is better."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, printable, say, table, write, write_json
from edgekit.errors import EXIT_SOME_FAILED

if TYPE_CHECKING:
    from edgekit.evaluate.evaluation import Comparison, Evaluation, Figures
    from edgekit.evaluate.intervals import Interval
    from edgekit.evaluate.predictions import Contender
    from edgekit.runtime.classifier import Classifier

EXAMPLES = """Examples:

edgekit evaluate model.onnx photos/

edgekit evaluate model.onnx model-int8.onnx photos.tar.gz --report report.html

edgekit evaluate model.onnx photos/ --crops 1 --crops 10 --truth truth.csv --map automobile=car

edgekit evaluate model-crops.onnx photos/ --crops center --crops adaptive
"""
_CLASSES_SHOWN, _PAIRS_SHOWN, _MISTAKES_SHOWN = 12, 5, 5


def run(
    models_and_data: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... DATA",
            help="Model files or names of shipped models, then the data: an image folder, an archive of one, idx "
            "files or a CSV of file,label.",
            show_default=False,
        ),
    ],
    crops: Annotated[
        list[str] | None, typer.Option(help="Crop plan, as in predict; several are compared.", show_default="1")
    ] = None,
    split: Annotated[
        str, typer.Option(help="train, val, all, or held-out: val, or all pictures of data that is not split.")
    ] = "held-out",
    truth: Annotated[Path | None, typer.Option(help="CSV of file,label for a folder of pictures.")] = None,
    synonyms: Annotated[
        list[str] | None,
        typer.Option("--map", help="OLD=NEW: the data's class OLD is the model's NEW; or a CSV file of old,new."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="the cores there are")] = None,
    report: Annotated[Path | None, typer.Option(help="Also write one self-contained HTML page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Measure accuracy, calibration and confusions on labelled pictures, and compare models picture by picture.

    Exits 3 when some pictures could not be read; the others are counted.
    """
    from edgekit import dataset
    from edgekit.errors import SpecError
    from edgekit.evaluate.evaluation import evaluation
    from edgekit.evaluate.predictions import answer
    from edgekit.labels import read_synonyms

    *models, data = models_and_data
    if not models:
        raise SpecError(f"evaluate takes MODEL... DATA, not {data!r} alone")
    if report and report.is_dir():  # said before minutes are spent
        raise SpecError(f"--report {report}: is a folder; name a file, such as {report / 'report.html'}")
    contenders = _contenders(models, crops or ["1"], threads)
    pictures = dataset.read(data, split, truth=truth)
    with progress_bar("evaluating", len(contenders) * len(pictures)) as advance:
        answers = answer(contenders, pictures, synonyms=read_synonyms(synonyms or []), on_picture=advance)
    found = evaluation(answers, data=Path(data).name or data)
    write_json(found.to_dict()) if json else _show(found)
    for one in found.figures:
        _say_what_the_file_says(one)
    if report:
        _write_report(found, report)
    for name, reason in found.unreadable:
        say(f"error: {name}: {reason}")
    if found.unreadable:
        raise typer.Exit(EXIT_SOME_FAILED)


def _contenders(models: list[str], plans: list[str], threads: int | None) -> list[Contender]:
    """Every model with every plan, named by what tells them apart."""
    from edgekit.evaluate.predictions import Contender
    from edgekit.hub.shipped import model_path
    from edgekit.runtime.classifier import Classifier

    models = list(dict.fromkeys(models))
    stems = [Path(model).stem for model in models]
    contenders = []
    for model, stem in zip(models, stems, strict=True):
        classifier, short = Classifier(model, threads=threads), stem if stems.count(stem) == 1 else model
        names = list(dict.fromkeys(_plan_name(plan, classifier) for plan in plans))  # 1 and center are one
        for plan in names:
            name = short if len(names) == 1 else f"{short}, {plan}"
            contenders.append(Contender(name, model_path(model), classifier, plan))
    return contenders


def _plan_name(plan: str, classifier: Classifier) -> str:
    """The full name of the plan. Raises SpecError for an unknown one, and for one that the model does not hold."""
    from edgekit.preprocess.crops import CropPlan
    from edgekit.runtime.prediction import Request

    asked = Request(top=1, plan=plan, budget=None, average="probabilities", unknown_below=0.0, channels="RGB")
    found = asked.plan_for(classifier.info, str(classifier.path))
    return found.name if isinstance(found, CropPlan) else plan


def _write_report(found: Evaluation, path: Path) -> None:
    from edgekit.report import write_report

    write_report(found, path)
    say(f"wrote {path}")


def _say_what_the_file_says(figures: Figures) -> None:
    """Only where it lies outside of what was measured: int8 may be computed otherwise on another processor."""
    recorded, top1 = figures.recorded_top1, figures.top1
    if recorded is not None and not top1.low <= recorded <= top1.high:
        say(
            f"{figures.contender.name}: the file says top-1 {percent(recorded)} of as many pictures, not "
            f"{percent(top1.value)}: are these the same pictures, and what does edgekit doctor say of int8 here?"
        )


def _show(found: Evaluation) -> None:
    unread = f", {len(found.unreadable)} more could not be read" if found.unreadable else ""
    write(printable(f"{found.data}: {len(found.pictures)} pictures{unread}"))
    write("")
    header = ("model", "top-1", "95% interval", "top-5", "macro F1", "ECE", "temperature", "ECE after it")
    write(table(header, map(_row, found.figures)))
    for comparison in found.comparisons:
        write("")
        write(printable(_compared(comparison)))
    if len(found.figures) == 1:
        _show_details(found.figures[0], found.pictures.names)


def _row(figures: Figures) -> tuple[str, ...]:
    calibration = figures.calibration
    return (
        figures.contender.name,
        percent(figures.top1.value),
        _interval(figures.top1),
        percent(figures.top5.value),
        f"{figures.macro_f1:.4f}",
        f"{calibration.ece:.4f}",
        f"{calibration.temperature:.3f}",
        f"{calibration.scaled_ece:.4f}",
    )


def _interval(interval: Interval) -> str:
    return f"{100 * interval.low:.2f} to {100 * interval.high:.2f}"


def _compared(comparison: Comparison) -> str:
    paired = comparison.paired
    first, second = comparison.first.contender.name, comparison.second.contender.name
    return (
        f"{second} against {first}: pictures won {paired.won}, lost {paired.lost} "
        f"({len(comparison.flipped)} answered otherwise), {paired.verdict}"
    )


def _show_details(figures: Figures, names: tuple[str, ...]) -> None:
    present = [row for row in figures.classes if row.pictures]
    shown = sorted(present, key=lambda row: row.f1 or 0.0)[:_CLASSES_SHOWN]
    write("")
    if len(shown) < len(present):
        write(f"the {len(shown)} weakest of {len(present)} classes:")
    cells = [(r.label, str(r.pictures), percent(r.precision), percent(r.recall), percent(r.f1)) for r in shown]
    write(table(("class", "pictures", "precision", "recall", "F1"), cells))
    for line in _mistake_lines(figures, names):
        write(printable(line))


def _mistake_lines(figures: Figures, names: tuple[str, ...]) -> Iterator[str]:
    from edgekit.evaluate.confusion import confused_pairs

    labels = figures.labels
    for number, pair in enumerate(confused_pairs(figures.confusion)[:_PAIRS_SHOWN]):
        yield from () if number else ("", "most confused (true -> answered):")
        yield f"  {pair.pictures:>4}  {labels[pair.truth]} -> {labels[pair.predicted]}"
    for number, mistake in enumerate(figures.mistakes[:_MISTAKES_SHOWN]):
        yield from () if number else ("", "most confident mistakes:")
        said = f"{labels[mistake.truth]} -> {labels[mistake.predicted]}"
        yield f"  {percent(mistake.probability):>7}  {said}  {names[mistake.picture]}"
