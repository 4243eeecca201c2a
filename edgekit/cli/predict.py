"""`edgekit predict`: what is on each picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.render import bar, percent, printable, say, write, write_json

if TYPE_CHECKING:
    from edgekit.errors import ImageError
    from edgekit.runtime.classifier import Prediction

EXAMPLES = """Examples:

edgekit predict picture.jpg

edgekit predict *.jpg --top 3 --crops 10 --json

cat picture.jpg | edgekit predict -
"""
_EXIT_SOME_FAILED = 3
_SCHEMA = 1


def run(
    pictures: Annotated[list[str], typer.Argument(help="Picture files; - reads one from stdin.", show_default=False)],
    model: Annotated[
        str | None, typer.Option(help="An .onnx file made by edgekit, or the name of a shipped model.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="Classes to show: 5 for one picture, 1 for several, unless said.")
    ] = None,
    crops: Annotated[str, typer.Option(help="Views averaged: 1 (center), 2 (flip), 5 (five), 10 (ten).")] = "1",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="the cores there are")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each picture.")] = False,
) -> None:
    """Say what is on each picture. Exits 3 when some of them could not be read; the others are answered."""
    from edgekit.errors import ImageError
    from edgekit.runtime.classifier import Classifier
    from edgekit.runtime.shipped import DEFAULT_MODEL

    classifier = Classifier(model or DEFAULT_MODEL, threads=threads)
    shown = top or (5 if len(pictures) == 1 else 1)
    sources = (sys.stdin.buffer if picture == "-" else Path(picture) for picture in pictures)
    failed = False
    for path, answer in zip(pictures, classifier.predict_many(sources, top=shown, plan=crops), strict=True):
        failed |= isinstance(answer, ImageError)
        _show_json(path, answer) if json else _show(path, answer)
    if failed:
        raise typer.Exit(_EXIT_SOME_FAILED)


def _show_json(path: str, answer: Prediction | ImageError) -> None:
    line: dict[str, Any] = {"schema": _SCHEMA, "path": path}
    if isinstance(answer, Exception):
        write_json(line | {"error": {"type": type(answer).__name__, "message": str(answer)}})
    else:
        write_json(line | answer.to_dict())


def _show(path: str, answer: Prediction | ImageError) -> None:
    if isinstance(answer, Exception):
        say(f"error: {answer}")
    elif len(answer.top) == 1:
        write(f"{printable(path)}  {printable(answer.label)}  {percent(answer.probability)}")
    else:
        write(printable(path))
        width = max(len(printable(score.label)) for score in answer.top)
        for score in answer.top:
            figure = percent(score.probability).rjust(7)
            write(f"  {printable(score.label).ljust(width)}  {figure}  {bar(score.probability)}".rstrip())
