"""`edgekit verify`: whether two models predict the same on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, table, write, write_json, write_message
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.evaluate.compare_models import ModelComparison

EXAMPLES = """Examples:

edgekit verify model.onnx model-int8.onnx photos/

edgekit verify model.onnx model-int8.onnx photos/ --tolerance 0 --max-difference 0.05 --json
"""


def run(
    first: Annotated[str, Argument("An artifact, or the name of a shipped model.")],
    second: Annotated[str, Argument("Another one, with the same labels in any order.")],
    data: Annotated[Path, Argument("Images: a folder, an archive, a table; labels are not needed.")],
    tolerance: Annotated[float, Option("Share of the images whose label may differ.", least=0, most=1)] = 0.05,
    max_difference: Annotated[
        float | None, Option("Largest difference of a probability.", least=0, most=1, default_text="any")
    ] = None,
    json: Annotated[bool, Option("One JSON document.")] = False,
) -> None:
    """Compare two models from image file to label. Exits 6 where they differ by more than was allowed."""
    from edgekit.dataset import read_images
    from edgekit.evaluate.compare_models import compare_models, require_agreement
    from edgekit.runtime.classifier import Classifier

    images = read_images(data)
    with progress_bar("comparing", len(images)) as advance:
        comparison = compare_models(Classifier(first), Classifier(second), images, on_image=advance)
    write_json({"schema": 2, **comparison.to_dict()}) if json else _write_comparison(comparison)
    if unreadable := comparison.unreadable:
        write_message(f"warning: {len(unreadable)} images cannot be read and are left out ({unreadable[0]}, ...)")
    require_agreement(comparison, tolerance=tolerance, max_difference=max_difference)


def _write_comparison(comparison: ModelComparison) -> None:
    if comparison.flips:
        rows = [
            (flip.image, *(cell for s in (flip.first, flip.second) for cell in (s.label, percent(s.probability))))
            for flip in comparison.flips
        ]
        write(table(("image", "first", "", "second", ""), rows))
    agreement = f"the same label on {percent(comparison.agreement)} of {comparison.images} images"
    difference = f"a probability differs by at most {comparison.probability_difference:.3g}"
    write(f"{agreement}; {difference} ({printable(comparison.most_different)})")
