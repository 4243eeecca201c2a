"""`edgekit crops`: whether a multi-crop plan, or adaptive crops fitted to a model, are worth their time."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli import shared_options as shared
from edgekit.cli.interruption import this_command
from edgekit.cli.layout import paragraph
from edgekit.cli.named_models import build_models
from edgekit.cli.next_commands import predict_command, write_next
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import stage_progress, uncounted_stage
from edgekit.cli.render import percent, signed, write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.wrong_files import check_model_files
from edgekit.stages import step_counter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgekit.artifact.info import ArtifactInfo
    from edgekit.evaluate.compare_crops import CropComparison, PlanScore
    from edgekit.evaluate.intervals import Interval
    from edgekit.image.source import ImageSource
    from edgekit.preprocess.adaptive_crops import AdaptivePlan
    from edgekit.preprocess.crops import CropPlan

EXAMPLES = """Examples:
  edgekit crops model.onnx photos/ -o model-crops.onnx
  edgekit crops model.onnx camera/ --unlabeled --plans five,ten --json
  edgekit predict image.jpg --model model-crops.onnx --crops adaptive
"""
_PLANS, _BUDGETS = "flip,five,ten,grid:3x3,wide,whole", "1.1,1.25,1.5,2"
_METRICS = {False: "top-1", True: "agreement"}  # the name of the metric, by --unlabeled


def run(
    model: Annotated[str, Argument("Model file (.onnx) or name of a built-in model.")],
    data: Annotated[
        Path,
        Argument(
            "Labeled data set: its val images, or all if it is not split. With --unlabeled, any folder of images."
        ),
    ],
    unlabeled: Annotated[
        bool,
        Option("Accept any folder of images, and compare plans by what the mean of many views predicts."),
    ] = False,
    plans: Annotated[
        str,
        Option(
            "Comma-separated crop plans to compare with center.",
            metavar="PLAN,...",
            default_text=_PLANS.replace(",", ", "),
        ),
    ] = _PLANS,
    budgets: Annotated[
        str, Option("Comma-separated budgets of adaptive crops: mean number of views per image.", metavar="VIEWS,...")
    ] = _BUDGETS,
    images: Annotated[int, Option("Largest number of images to use, chosen at random.", least=8)] = 1000,
    halves: Annotated[
        int,
        Option("Number of times a plan is chosen on one half of the images and judged on the other.", least=1),
    ] = 10,
    seed: Annotated[int, Option("Random seed for choosing images and halves.", least=0)] = 0,
    threads: Annotated[int | None, shared.THREADS] = None,
    plot: Annotated[Path | None, shared.PLOT] = None,
    output: Annotated[
        Path | None,
        Option(
            "Model file to write (.onnx) if adaptive crops are recommended, with these.",
            flags=("--output", "-o"),
            default_text="none",
            writes=(".onnx",),
        ),
    ] = None,
    json: Annotated[bool, Option("Print the results as one JSON document.")] = False,
) -> None:
    """Compare multi-crop test-time augmentation (TTA) plans and fit adaptive crops.

    Adaptive crops use more views only for images in doubt. A plan is recommended only if it is measurably better than
    the center crop.
    """
    from edgekit.evaluate.compare_crops import compare_plans, fit_plan
    from edgekit.evaluate.crop_predictions import check_single_label, predict_crops
    from edgekit.hub.model_files import model_path
    from edgekit.plots.crops import write_plot
    from edgekit.plots.style import check_plot
    from edgekit.runtime.classifier import Classifier

    check_model_files(model)
    build_models(model)
    classifier = Classifier(model, threads=threads)
    path = model_path(model)
    check_single_label(classifier)
    _check_output(output, path, unlabeled=unlabeled)
    crop_plans, view_budgets = _parse_plans(plans), _parse_budgets(budgets)
    with uncounted_stage("listing images"):
        sources, truth = _read_images(data, classifier.info, unlabeled=unlabeled, limit=images, seed=seed)
    if plot is not None:
        check_plot(plot)
    with stage_progress() as progress:
        on_image = step_counter(progress, "predicting", len(sources))
        predictions = predict_crops(classifier, sources, crop_plans, on_image=on_image)
        on_split = step_counter(progress, "choosing on one half, judging on the other", halves)
        comparison = compare_plans(
            predictions, truth, budgets=view_budgets, halves=halves, seed=seed, on_split=on_split
        )
        best = comparison.recommended
        adaptive = None
        if best is not None and best.budget is not None:
            progress("fitting the recommended plan", 0, None)
            adaptive = fit_plan(predictions, truth, budget=best.budget)
    if plot is not None:
        write_plot(comparison, plot, metric=_METRICS[unlabeled])
    written = output if adaptive is not None else None
    if adaptive is not None and written is not None:
        _write_model(path, adaptive, output=written)
    if json:
        write_json(_document(comparison, adaptive, metric=_METRICS[unlabeled], path=written))
    else:
        _write_comparison(comparison, adaptive, metric=_METRICS[unlabeled])
    _write_next_step(best, model=model, data=data, output=output, is_silent=json)


def _check_output(output: Path | None, model: Path | None, *, unlabeled: bool) -> None:
    from edgekit.errors import SpecError, quote

    if output is not None and unlabeled:
        raise SpecError("--output needs labeled images: without labels no crop plan is recommended")
    if output is not None and output.absolute() == model:
        raise SpecError(f"--output must not be the model itself (got {quote(str(output))})")


def _parse_plans(text: str) -> list[CropPlan]:
    """Return the plans of the list, after the one that they are compared with."""
    from edgekit.evaluate.compare_crops import BASELINE
    from edgekit.preprocess.crops import plan_named

    names = (BASELINE, *(name.strip() for name in text.split(",") if name.strip()))
    return list({plan.name: plan for plan in map(plan_named, names)}.values())


def _parse_budgets(text: str) -> list[float]:
    from edgekit.errors import SpecError, quote

    try:
        budgets = sorted({float(budget) for budget in text.split(",")})
    except ValueError:
        budgets = []
    if not budgets or not all(1 <= budget < math.inf for budget in budgets):
        raise SpecError(f"--budgets must be numbers of views from 1, e.g. {_BUDGETS} (got {quote(text)})")
    return budgets


def _read_images(
    data: Path, info: ArtifactInfo, *, unlabeled: bool, limit: int, seed: int
) -> tuple[Sequence[ImageSource], npt.NDArray[np.int64] | None]:
    """Return at most `limit` images and, if labeled, their classes as indexes into the model's labels."""
    import numpy as np

    from edgekit import dataset
    from edgekit.evaluate.accuracy import true_labels

    if unlabeled:
        sources = dataset.read_unlabeled(data)
        sample = np.random.default_rng(seed).permutation(len(sources))[:limit]
        return [sources[index] for index in sorted(sample)], None
    images = dataset.read_held_out(data).sample(limit, seed=seed)
    return images.sources, true_labels(images, info)


def _write_model(model: Path, plan: AdaptivePlan, *, output: Path) -> None:
    from dataclasses import replace

    from edgekit.artifact.info import parse_info, read_model, write_info
    from edgekit.files import sha256

    content = read_model(model)
    info = parse_info(content, name=str(model))
    write_info(content, replace(info, adaptive_crops=plan, parent_sha256=sha256(content)), output)


def _document(
    comparison: CropComparison, adaptive: AdaptivePlan | None, *, metric: str, path: Path | None
) -> dict[str, Any]:
    best = comparison.recommended
    return {
        "schema": 3,
        "images": comparison.images,
        "judged_by": metric,
        "plans": [score.to_dict() for score in comparison.scores],
        "recommended": best and best.to_dict(),
        "adaptive_crops": adaptive and adaptive.to_dict(),
        "choice": comparison.choice.name,
        "gain_of_choice": comparison.gain.to_dict(),
        "images_needed": comparison.images_needed,
        "path": path and str(path),
    }


def _write_comparison(comparison: CropComparison, adaptive: AdaptivePlan | None, *, metric: str) -> None:
    rows = [
        (
            score.name,
            f"{score.views:.2f}",
            f"{score.time:.2f}x",
            percent(score.right),
            "-" if score.plan == "center" else _points(score.gain),
        )
        for score in comparison.scores
    ]
    write(table(("plan", "views", "time", metric, "gain over center (points)"), rows))
    write("")
    for line in _result_lines(comparison, adaptive):
        write(paragraph(line))
    write_message(
        f"note: {comparison.images} images; paired 95% intervals, corrected for the number of plans; adaptive crops "
        "are judged on images they were not fitted to"
    )


def _result_lines(comparison: CropComparison, adaptive: AdaptivePlan | None) -> tuple[str, str]:
    best, images = comparison.recommended, comparison.images
    if not comparison.is_labeled:
        return "center: no plan is recommended without labels", "agreement with the mean of all views is not accuracy"
    if best is None:
        return f"center: no plan is measurably better on these {images} images", _doubt(comparison)
    name = best.plan
    if adaptive is not None:
        stages = f"{', then '.join(adaptive.view_names)}; temperature {adaptive.temperature:g}"
        name = f"adaptive crops with a budget of {adaptive.budget:g} ({stages}, margin {adaptive.margin:.3f})"
    judged = f"chosen on one half of the images and judged on the other: {_points(comparison.gain)} points"
    return f"recommended: {name}", f"{judged} over center, at {best.time:.2f}x the time"


def _doubt(comparison: CropComparison) -> str:
    """Why no plan is recommended, and about how many images would settle it."""
    images, wrong, choice = comparison.images, comparison.center_wrong, comparison.choice
    needed = comparison.images_needed
    settled = "" if needed is None else f"; about {needed:,} images would settle it"
    if not comparison.can_prove:
        return f"center is wrong on {wrong} of {images} images, too few to prove that a plan is better{settled}"
    if choice.plan == "center":
        return "no plan gains anything on them"
    resolved = f"{images} images resolve +-{100 * (choice.gain.high - choice.gain.value):.2f} points"
    gains = f"{choice.name} gains {signed(100 * choice.gain.value)} on them"
    nested = f"{signed(100 * comparison.gain.value)} if chosen on one half and judged on the other"
    return f"{resolved}; {gains}, {nested}{settled}"


def _write_next_step(best: PlanScore | None, *, model: str, data: Path, output: Path | None, is_silent: bool) -> None:
    """Print what was written or why nothing was, and the next command."""
    is_adaptive = best is not None and best.budget is not None
    if output is not None and not is_adaptive:
        reason = "no plan is recommended" if best is None else f"{best.plan} needs no file: it is named when predicting"
        write_message(f"note: {output} was not written: {reason}")
    if best is None or is_silent:
        return
    if not is_adaptive:
        write_message(f"next: {shlex.join([*predict_command(model, data=data), '--crops', best.plan])}")
    elif output is None:
        command = this_command("-o", f"{Path(model).stem}-crops.onnx")
        write_message(f"next: {command}  (writes the model with the recommended adaptive crops)")
    else:
        write_next(str(output), [*predict_command(output, data=data), "--crops", "adaptive"])


def _points(gain: Interval) -> str:
    return f"{signed(100 * gain.value)} ({signed(100 * gain.low)} to {signed(100 * gain.high)})"
