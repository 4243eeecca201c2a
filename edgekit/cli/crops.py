"""`edgekit crops`: accuracy and cost of more views of an image, and adaptive crops fitted to a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, table, write, write_json, write_message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgekit.evaluate.compare_crops import PlanScore
    from edgekit.evaluate.intervals import Interval
    from edgekit.image.source import ImageSource
    from edgekit.preprocess.adaptive_crops import AdaptivePlan
    from edgekit.preprocess.crops import CropPlan

EXAMPLES = """Examples:

edgekit crops model.onnx photos/ -o model-crops.onnx

edgekit crops model.onnx camera/ --unlabeled --plans five,ten --budgets 1.25,1.5 --json

edgekit predict image.jpg --model model-crops.onnx --crops adaptive
"""
_PLANS, _BUDGETS = "center,flip,five,ten,grid:3x3,wide,whole,multi-scale", "1.1,1.25,1.5,2"
_METRICS = {False: "top-1", True: "agreement"}  # the name of the metric, by --unlabeled
_HINT = "-o NEW.onnx writes the model with the recommended adaptive crops"


def run(
    model: Annotated[str, Argument("An .onnx file made by edgekit, or the name of a shipped model.")],
    data: Annotated[Path, Argument("A data set, of which val is used where it has one; or see --unlabeled.")],
    unlabeled: Annotated[bool, Option("Any folder of images: judge by what many views agree on.")] = False,
    plans: Annotated[str, Option("The plans to compare, beside center and ten.")] = _PLANS,
    budgets: Annotated[str, Option("Views an image in the mean, for adaptive crops.")] = _BUDGETS,
    images: Annotated[int, Option("At most so many are looked at, drawn by the seed.", least=4)] = 1000,
    halves: Annotated[int, Option("How often adaptive crops are fitted to half of them.", least=1)] = 20,
    seed: Annotated[int, Option("Draws the images and the halves.", least=0)] = 0,
    threads: Annotated[int | None, Option("CPU threads.", least=1, default_text="the cores there are")] = None,
    plot: Annotated[Path | None, Option("Draw the curve into this .png, .svg or .pdf.")] = None,
    output: Annotated[
        Path | None, Option("Write the model with the recommended adaptive crops.", flags=("--output", "-o"))
    ] = None,
    json: Annotated[bool, Option("The figures as one JSON document.")] = False,
) -> None:
    """Compare crop plans on images, fit adaptive crops (more views only for images in doubt), and store them."""
    from edgekit.evaluate.compare_crops import fit_plan, predict_crops, recommended, score_plans
    from edgekit.plots.crops import write_plot
    from edgekit.plots.style import check_plot
    from edgekit.runtime.classifier import Classifier

    classifier = Classifier(model, threads=threads)
    _check_output(output, classifier.path)
    crop_plans, view_budgets = _parse_plans(plans), _parse_budgets(budgets)
    sources, truth = _read_images(data, classifier.labels, unlabeled=unlabeled, limit=images, seed=seed)
    if plot is not None:
        check_plot(plot)
    with progress_bar("looking", len(sources)) as advance:
        predictions = predict_crops(classifier, sources, crop_plans, on_image=advance)
    scores = score_plans(predictions, truth, budgets=view_budgets, halves=halves, seed=seed)
    best = recommended(scores)
    plan = fit_plan(predictions, truth, budget=best.budget or 1.0)
    if plot is not None:
        write_plot(scores, best, plot, metric=_METRICS[unlabeled])
    if output is not None:
        _write_model(classifier.path, plan, output=output)
    if json:
        figures = {"images": len(sources), "judged_by": _METRICS[unlabeled], "plans": [s.to_dict() for s in scores]}
        write_json({"schema": 2, **figures, "recommended": plan.to_dict()})
        return
    _write_scores(scores, plan, images=len(sources), metric=_METRICS[unlabeled])
    write_message(f"wrote {output}; next: edgekit predict IMAGE --model {output} --crops adaptive" if output else _HINT)


def _check_output(output: Path | None, model: Path) -> None:
    from edgekit.errors import SpecError

    if output is not None and output.absolute() == model:
        raise SpecError(f"{output}: is the model itself; write to another file")


def _parse_plans(text: str) -> list[CropPlan]:
    """The plans of the list, behind the baselines that all are compared with."""
    from edgekit.evaluate.compare_crops import BASELINES
    from edgekit.preprocess.crops import plan_named

    names = (*BASELINES, *(name.strip() for name in text.split(",") if name.strip()))
    return list({plan.name: plan for plan in map(plan_named, names)}.values())


def _parse_budgets(text: str) -> list[float]:
    from edgekit.errors import SpecError

    try:
        budgets = sorted({float(budget) for budget in text.split(",")})
    except ValueError:
        budgets = []
    if not budgets or not all(1 <= budget < math.inf for budget in budgets):
        raise SpecError(f"--budgets {text!r}: write numbers of views from 1, such as {_BUDGETS}")
    return budgets


def _read_images(
    data: Path, labels: tuple[str, ...], *, unlabeled: bool, limit: int, seed: int
) -> tuple[Sequence[ImageSource], npt.NDArray[np.int64] | None]:
    """At most `limit` images and, if they are known, their classes as indexes into the labels of the model."""
    import numpy as np

    from edgekit import dataset
    from edgekit.errors import DataError
    from edgekit.evaluate.accuracy import class_indexes

    if unlabeled:
        sources = dataset.read_unlabeled(data)
        sample = np.random.default_rng(seed).permutation(len(sources))[:limit]
        return [sources[index] for index in sorted(sample)], None
    try:
        images = dataset.read(data, "val")
    except DataError:  # it is not split, or it cannot be read at all: then this raises too
        images = dataset.read(data, "all")
    images = images.sample(limit, seed=seed)
    return images.sources, class_indexes(images, labels)


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
    write(table(("plan", "views", "time", metric, "over center, points", "over ten, points"), rows))
    stages = f"{', then '.join(plan.view_names)}; temperature {plan.temperature:g}, margin {plan.margin:.3f}"
    write(f"\nrecommended: adaptive crops with a budget of {plan.budget:g} ({stages})")
    better = better_fixed(scores, next(score for score in scores if score.budget == plan.budget))
    if better is not None:
        write(f"{better.plan} is better still, at {better.time:.2f}x the time: --crops {better.plan}")
    write_message(
        f"on {images} images; intervals of 95%, paired; adaptive crops judged on images they were not fitted to"
    )


def _points(gain: Interval) -> str:
    return f"{100 * gain.value:+.2f} ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
