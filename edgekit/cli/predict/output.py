"""How answers are written: lines for people, JSON, CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from edgekit.cli.render import bar, percent, printable, say, write, write_json

if TYPE_CHECKING:
    from edgekit.errors import ImageError
    from edgekit.preprocess.scores import Score
    from edgekit.runtime.prediction import Prediction

    Show: TypeAlias = Callable[[str, Prediction | ImageError], None]

_SCHEMA = 1
# How a spreadsheet begins what it computes; in its own letters and in the wide ones of East Asia.
_FORMULA = tuple("=+-@＝＋－＠")


class Style(NamedTuple):
    """The network's own figures instead of probabilities; of a label like "tench, Tinca tinca" only "tench"."""

    logits: bool = False
    short_names: bool = False

    def name(self, label: str) -> str:
        """The label as it is shown."""
        return label.partition(",")[0].strip() or label if self.short_names else label

    def figure(self, answer: Prediction, score: Score) -> str:
        """The class's figure for people."""
        return f"{answer.logits[score.index]:.3f}" if self.logits else percent(score.probability)


def document(path: str, answer: Prediction | ImageError, style: Style) -> dict[str, Any]:
    """What one JSON line says."""
    line: dict[str, Any] = {"schema": _SCHEMA, "path": path}
    if isinstance(answer, Exception):
        return line | {"error": {"type": type(answer).__name__, "message": str(answer)}}
    line |= answer.to_dict()
    for entry in line["top"]:
        entry["label"] = style.name(entry["label"])
        if style.logits:
            del entry["probability"]
            entry["logit"] = float(answer.logits[entry["index"]])
    return line


def lines(answer: Prediction, style: Style) -> list[str]:
    """A line for each class, as they stand on a saved picture."""
    return [f"{printable(style.name(score.label))}  {style.figure(answer, score)}" for score in answer.top]


def json_lines(style: Style) -> Show:
    """A function that writes an answer as one JSON line on stdout."""
    return lambda path, answer: write_json(document(path, answer, style))


def csv_lines(style: Style) -> Show:
    """The same as CSV, a line for each class, after a first line of names."""
    import csv
    from io import StringIO

    figure = "logit" if style.logits else "probability"

    def write_row(*cells: object) -> None:
        row = StringIO()
        csv.writer(row, lineterminator="").writerow([_cell(c) if isinstance(c, str) else c for c in cells])
        write(row.getvalue())

    def show(path: str, answer: Prediction | ImageError) -> None:
        line = document(path, answer, style)
        if "error" in line:
            write_row(path, None, None, None, None, line["error"]["message"])
        if line.get("unknown"):
            write_row(path, 0, "unknown", None, None, None)
        for rank, entry in enumerate(line.get("top", ()), 1):
            write_row(path, rank, entry["label"], entry["index"], entry[figure], None)

    write(f"path,rank,label,index,{figure},error")
    return show


def text_lines(style: Style) -> Show:
    """For people: one line where one class is shown, else a block with bars; failures on stderr."""

    def show(path: str, answer: Prediction | ImageError) -> None:
        if isinstance(answer, Exception):
            say(f"error: {answer}")
        elif len(answer.top) == 1:
            figure = style.figure(answer, answer.top[0])
            write(f"{printable(path)}  {printable(style.name(answer.label))}  {figure}")
        else:
            write(f"{printable(path)}  {answer.label}" if answer.is_unknown else printable(path))
            names = [printable(style.name(score.label)) for score in answer.top]
            width = max(map(len, names))
            for name, score in zip(names, answer.top, strict=True):
                drawn = "" if style.logits else bar(score.probability)
                write(f"  {name.ljust(width)}  {style.figure(answer, score).rjust(7)}  {drawn}".rstrip())

    return show


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula and no terminal for an instruction."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
