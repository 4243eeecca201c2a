"""`edgekit verify`: check that two models make the same predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.layout import paragraph
from edgekit.cli.named_models import build_models
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.wrong_files import check_model_files
from edgekit.errors import printable

if TYPE_CHECKING:
    from edgekit.evaluate.compare_models import ModelComparison
    from edgekit.preprocess.scores import Score

EXAMPLES = """Examples:
  edgekit verify model.onnx model-int8.onnx photos/
  edgekit verify model.onnx model-int8.onnx photos/ --tolerance 0 --json
"""


def run(
    first: Annotated[str, Argument("Model file (.onnx) or name of a built-in model.")],
    second: Annotated[str, Argument("Model to compare it with; the same labels, in any order.")],
    data: Annotated[Path, Argument("Images: a folder, an archive or a table; labels are not needed.")],
    tolerance: Annotated[
        float, Option("Largest share of images whose predicted label may differ, from 0 to 1.", least=0, most=1)
    ] = 0.05,
    max_difference: Annotated[
        float | None,
        Option("Largest difference of a probability, from 0 to 1.", least=0, most=1, default_text="unlimited"),
    ] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Verify that two models make the same predictions on a set of images.

    Exit status 6 if they differ by more than --tolerance or --max-difference allows.
    """
    from edgekit.dataset import read_images
    from edgekit.evaluate.compare_models import compare_models, require_agreement
    from edgekit.runtime.classifier import Classifier

    check_model_files(first, second)
    build_models(first, second)
    images = read_images(data)
    with progress_bar("comparing", len(images)) as advance:
        classifier = Classifier(first)
        comparison = compare_models(classifier, Classifier(second), images, on_image=advance)
    word = "label" if classifier.info.task == "single-label" else "labels"
    write_json({"schema": 2, **comparison.to_dict()}) if json else _write_comparison(comparison, word)
    if unreadable := comparison.unreadable:
        write_message(f"warning: skipped {len(unreadable)} unreadable images ({unreadable[0]}, ...)")
    require_agreement(comparison, tolerance=tolerance, max_difference=max_difference)


def _cells(predicted: Score | tuple[Score, ...]) -> tuple[str, str]:
    """Return the label and its probability; of a multi-label model, all labels and their probabilities."""
    scores = predicted if isinstance(predicted, tuple) else (predicted,)
    labels, probabilities = ([f(s) for s in scores] for f in (lambda s: s.label, lambda s: percent(s.probability)))
    return ", ".join(labels) or "none", ", ".join(probabilities) or "-"


def _write_comparison(comparison: ModelComparison, word: str) -> None:
    if comparison.flips:
        rows = [(flip.image, *_cells(flip.first), *_cells(flip.second)) for flip in comparison.flips]
        write(table(("image", "first", "probability", "second", "probability"), rows))
    agreement = f"same {word} on {percent(comparison.agreement)} of {comparison.images} images"
    difference = f"largest difference of a probability: {comparison.probability_difference:.3g}"
    write(paragraph(f"{agreement}; {difference} ({printable(comparison.most_different)})"))
