"""Output of predictions as text, JSON and CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from edgekit.cli.layout import terminal_width, text_width, truncated
from edgekit.cli.render import bar, percent, write, write_json, write_message
from edgekit.csv_text import csv_line
from edgekit.errors import printable
from edgekit.runtime.json_record import json_record, short_label

if TYPE_CHECKING:
    from edgekit.errors import ImageError
    from edgekit.preprocess.scores import Score
    from edgekit.runtime.prediction import Prediction

    ResultWriter: TypeAlias = Callable[[str, Prediction | ImageError], None]

_BESIDE_LABEL, _LEAST_LABEL = 37, 16  # columns: two blanks, two, a figure of seven, two, a bar of 24


class ScoreFormat(NamedTuple):
    """Which classes are shown and how: with logit or probability; as "tench" or "tench, Tinca tinca".

    Of a multi-label model, the labels of the image are shown, or the most probable classes if it is `ranked`.
    """

    logits: bool = False
    short_names: bool = False
    ranked: bool = False

    def scores(self, prediction: Prediction) -> tuple[Score, ...]:
        """Return the classes that are shown, most probable first; none if a multi-label image has no label."""
        return prediction.top if self.ranked or prediction.assigned is None else prediction.assigned

    def label(self, label: str) -> str:
        """Return the label as it is shown."""
        return short_label(label) if self.short_names else label

    def value(self, prediction: Prediction, score: Score) -> str:
        """Format the logit or the probability."""
        return f"{prediction.logits[score.index]:.3f}" if self.logits else percent(score.probability)

    def record(self, path: str, result: Prediction | ImageError, *, model: str) -> dict[str, Any]:
        """Return the content of one JSON line; messages of errors name flags."""
        return json_record(
            path, result, model=model, logits=self.logits, short_names=self.short_names, message_of=message_of
        )


def caption(prediction: Prediction, score_format: ScoreFormat) -> list[str]:
    """Return one line per class, to be drawn on a saved image."""
    lines = [
        f"{printable(score_format.label(score.label))}  {score_format.value(prediction, score)}"
        for score in score_format.scores(prediction)
    ]
    return lines or [prediction.label]


def json_writer(score_format: ScoreFormat, model: str) -> ResultWriter:
    """Return a function that prints a result as one JSON line."""
    return lambda path, result: write_json(score_format.record(path, result, model=model))


def csv_writer(score_format: ScoreFormat) -> ResultWriter:
    """Print the CSV header; return a function that prints a result as CSV, one line per class."""
    score_column = "logit" if score_format.logits else "probability"

    def write_row(*cells: object) -> None:
        write(csv_line(cells))

    def write_result(path: str, result: Prediction | ImageError) -> None:
        record = score_format.record(path, result, model="")
        if "error" in record:
            write_row(path, None, None, None, None, record["error"]["message"])
        shown = record.get("top" if score_format.ranked or "labels" not in record else "labels", ())
        if record.get("unknown") or ("error" not in record and not shown):
            write_row(path, 0, "unknown" if shown else "none", None, None, None)
        for rank, entry in enumerate(shown, 1):
            write_row(path, rank, entry["label"], entry["index"], entry[score_column], None)

    write(f"path,rank,label,index,{score_column},error")
    return write_result


def text_writer(score_format: ScoreFormat, model: str) -> ResultWriter:
    """Return a function that prints one line for one class, failures on stderr, and for several classes a block.

    A block has the path, a line with a bar for each class, and the model. Of a multi-label model, the classes are the
    labels of the image, however many; "none" stands for no label.
    """

    def write_result(path: str, result: Prediction | ImageError) -> None:
        if isinstance(result, Exception):
            write_message(f"error: {message_of(result)}")
        elif len(result.top) == 1 and result.assigned is None:
            value = score_format.value(result, result.top[0])
            write(f"{printable(path)}  {printable(score_format.label(result.label))}  {value}")
        elif len(result.top) == 1:
            write(f"{printable(path)}  {', '.join(caption(result, score_format))}")
        else:
            scores = score_format.scores(result)
            write(f"{printable(path)}  {result.label}" if result.is_unknown or not scores else printable(path))
            labels = _fitted([printable(score_format.label(score.label)) for score in scores])
            for label, score in zip(labels, scores, strict=True):
                score_bar = "" if score_format.logits else bar(score.probability)
                write(f"  {label}  {score_format.value(result, score).rjust(7)}  {score_bar}".rstrip())
            write(f"  model: {printable(model)}")

    return write_result


def _fitted(labels: list[str]) -> list[str]:
    """The labels, equally wide; those that do not fit the terminal beside their bars lose their middle."""
    columns = terminal_width()
    if columns is not None:
        labels = [truncated(label, max(columns - _BESIDE_LABEL, _LEAST_LABEL)) for label in labels]
    width = max(map(text_width, labels), default=0)
    return [label + " " * (width - text_width(label)) for label in labels]


def message_of(error: Exception) -> str:
    """Return the message of an error of an image, in which arguments are flags."""
    from edgekit.cli.flag_names import with_flags  # here, because most predictions succeed

    return with_flags(str(error), "predict")
