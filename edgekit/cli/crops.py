"""`edgekit crops`: accuracy and cost of multi-crop plans, and adaptive crops fitted to a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from edgekit.evaluate.compare_crops import PlanScore
    from edgekit.evaluate.intervals import Interval
    from edgekit.image.source import ImageSource
    from edgekit.preprocess.adaptive_crops import AdaptivePlan
    from edgekit.preprocess.crops import CropPlan

EXAMPLES = """Examples:
  edgekit crops model.onnx photos/ -o model-crops.onnx
  edgekit crops model.onnx camera/ --unlabeled --plans five,ten --json
  edgekit predict image.jpg --model model-crops.onnx --crops adaptive
"""
_PLANS, _BUDGETS = "center,flip,five,ten,grid:3x3,wide,whole,multi-scale", "1.1,1.25,1.5,2"
_METRICS = {False: "top-1", True: "agreement"}  # the name of the metric, by --unlabeled


def run(
    model: Annotated[str, Argument("Model file (.onnx) or name of a built-in model.")],
    data: Annotated[
        Path, Argument("Labeled data set, whose val split is used if it has one; with --unlabeled, any images.")
    ],
    unlabeled: Annotated[
        bool, Option("Accept any folder of images, and judge by what the mean of many views predicts.")
    ] = False,
    plans: Annotated[
        str,
        Option(
            "Comma-separated crop plans to compare, besides center and ten.",
            metavar="PLAN,...",
            default_text=_PLANS.replace(",", ", "),
        ),
    ] = _PLANS,
    budgets: Annotated[
        str, Option("Comma-separated budgets of adaptive crops: mean number of views per image.", metavar="VIEWS,...")
    ] = _BUDGETS,
    images: Annotated[int, Option("Largest number of images to use, chosen at random.", least=4)] = 1000,
    halves: Annotated[
        int,
        Option("Number of times adaptive crops are fitted to one half of the images and judged on the other.", least=1),
    ] = 20,
    seed: Annotated[int, Option("Random seed for choosing images and halves.", least=0)] = 0,
    threads: Annotated[int | None, shared.THREADS] = None,
    plot: Annotated[Path | None, shared.PLOT] = None,
    output: Annotated[
        Path | None,
        Option(
            "Model file to write (.onnx), with the recommended adaptive crops.",
            flags=("--output", "-o"),
            default_text="none",
            writes=(".onnx",),
        ),
    ] = None,
    json: Annotated[bool, Option("Print the results as one JSON document.")] = False,
) -> None:
    """Compare multi-crop test-time augmentation (TTA) plans and fit adaptive crops.

    Adaptive crops use more views only for images in doubt.
    """
    from edgekit.evaluate.compare_crops import check_single_label, fit_plan, predict_crops, recommended, score_plans
    from edgekit.hub.model_files import model_path
    from edgekit.plots.crops import write_plot
    from edgekit.plots.style import check_plot
    from edgekit.runtime.classifier import Classifier

    check_model_files(model)
    build_models(model)
    classifier = Classifier(model, threads=threads)
    path = model_path(model)
    check_single_label(classifier)
    _check_output(output, path)
    crop_plans, view_budgets = _parse_plans(plans), _parse_budgets(budgets)
    with uncounted_stage("listing images"):
        sources, truth = _read_images(data, classifier.info, unlabeled=unlabeled, limit=images, seed=seed)
    if plot is not None:
        check_plot(plot)
    with stage_progress() as progress:
        on_image = step_counter(progress, "predicting", len(sources))
        predictions = predict_crops(classifier, sources, crop_plans, on_image=on_image)
        on_split = step_counter(progress, "fitting adaptive crops", halves)
        scores = score_plans(predictions, truth, budgets=view_budgets, halves=halves, seed=seed, on_split=on_split)
        progress("fitting the recommended plan", 0, None)
        best = recommended(scores)
        plan = fit_plan(predictions, truth, budget=best.budget or 1.0)
    if plot is not None:
        write_plot(scores, best, plot, metric=_METRICS[unlabeled])
    if output is not None:
        _write_model(path, plan, output=output)
    if json:
        figures = {"images": len(sources), "judged_by": _METRICS[unlabeled], "plans": [s.to_dict() for s in scores]}
        write_json({"schema": 2, **figures, "recommended": plan.to_dict()})
        return
    _write_scores(scores, plan, images=len(sources), metric=_METRICS[unlabeled])
    if output is None:
        command = this_command("-o", f"{Path(model).stem}-crops.onnx")
        write_message(f"next: {command}  (writes the model with the recommended adaptive crops)")
    else:
        write_next(str(output), [*predict_command(output, data=data), "--crops", "adaptive"])


def _check_output(output: Path | None, model: Path | None) -> None:
    from edgekit.errors import SpecError, quote

    if output is not None and output.absolute() == model:
        raise SpecError(f"--output must not be the model itself (got {quote(str(output))})")


def _parse_plans(text: str) -> list[CropPlan]:
    """Return the plans of the list, after the baselines that all plans are compared with."""
    from edgekit.evaluate.compare_crops import BASELINES
    from edgekit.preprocess.crops import plan_named

    names = (*BASELINES, *(name.strip() for name in text.split(",") if name.strip()))
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
    from edgekit.errors import DataError
    from edgekit.evaluate.accuracy import true_labels

    if unlabeled:
        sources = dataset.read_unlabeled(data)
        sample = np.random.default_rng(seed).permutation(len(sources))[:limit]
        return [sources[index] for index in sorted(sample)], None
    try:
        images = dataset.read(data, "val")
    except DataError:  # it has no splits; if it cannot be read at all, this raises too
        images = dataset.read(data, "all")
    images = images.sample(limit, seed=seed)
    return images.sources, true_labels(images, info)


def _write_model(model: Path, plan: AdaptivePlan, *, output: Path) -> None:
    from dataclasses import replace

    from edgekit.artifact.info import parse_info, read_model, write_info
    from edgekit.files import sha256

    content = read_model(model)
    info = parse_info(content, name=str(model))
    write_info(content, replace(info, adaptive_crops=plan, parent_sha256=sha256(content)), output)


def _write_scores(scores: Sequence[PlanScore], plan: AdaptivePlan, *, images: int, metric: str) -> None:
    from edgekit.evaluate.compare_crops import better_fixed

    rows = [
        (
            score.plan if score.budget is None else f"{score.plan} {score.budget:g}",
            f"{score.views:.2f}",
            f"{score.time:.2f}x",
            percent(score.right),
            _points(score.over_center),
            _points(score.over_ten),
        )
        for score in scores
    ]
    write(table(("plan", "views", "time", metric, "vs center (points)", "vs ten (points)"), rows))
    stages = f"{', then '.join(plan.view_names)}; temperature {plan.temperature:g}, margin {plan.margin:.3f}"
    write("")
    write(paragraph(f"recommended: adaptive crops with a budget of {plan.budget:g} ({stages})"))
    better = better_fixed(scores, next(score for score in scores if score.budget == plan.budget))
    if better is not None:
        write(paragraph(f"even more accurate, at {better.time:.2f}x the time: edgekit predict --crops {better.plan}"))
    write_message(
        f"note: {images} images; paired 95% intervals; adaptive crops are judged on images they were not fitted to"
    )


def _points(gain: Interval) -> str:
    return f"{signed(100 * gain.value)} ({signed(100 * gain.low)} to {signed(100 * gain.high)})"
