"""`edgekit verify`: whether two models say the same of the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, printable, say, table, write, write_json

if TYPE_CHECKING:
    from edgekit.evaluate.compare_models import Verification

EXAMPLES = """Examples:

edgekit verify model.onnx model-int8.onnx photos/

edgekit verify model.onnx model-int8.onnx photos/ --tolerance 0 --max-difference 0.05 --json
"""


def run(
    first: Annotated[str, typer.Argument(help="An artifact, or the name of a shipped model.")],
    second: Annotated[str, typer.Argument(help="Another one, with the same labels in any order.")],
    data: Annotated[Path, typer.Argument(help="Pictures: a folder, an archive, a table; labels are not needed.")],
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the pictures whose label may differ.")
    ] = 0.05,
    max_difference: Annotated[
        float | None, typer.Option(min=0, max=1, help="Largest difference of a probability.", show_default="any")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare two models from picture file to label. Exits 6 where they differ by more than was allowed."""
    from edgekit.evaluate.compare_models import require_alike, verify
    from edgekit.quantize.split_data import pictures_at
    from edgekit.runtime.classifier import Classifier

    pictures = pictures_at(data)
    with progress_bar("comparing", len(pictures)) as advance:
        found = verify(Classifier(first), Classifier(second), pictures, on_picture=advance)
    write_json({"schema": 1, **found.to_dict()}) if json else _show(found)
    if found.unreadable:
        say(f"warning: {len(found.unreadable)} pictures cannot be read and are left out ({found.unreadable[0]}, ...)")
    require_alike(found, tolerance=tolerance, max_difference=max_difference)


def _show(found: Verification) -> None:
    if found.flips:
        rows = [
            (flip.picture, *(cell for s in (flip.first, flip.second) for cell in (s.label, percent(s.probability))))
            for flip in found.flips
        ]
        write(table(("picture", "first", "", "second", ""), rows))
    agreement = f"the same label on {percent(found.agreement)} of {found.pictures} pictures"
    difference = f"a probability differs by at most {found.probability_difference:.3g}"
    write(f"{agreement}; {difference} ({printable(found.most_different)})")
