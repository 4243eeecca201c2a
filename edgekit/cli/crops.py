"""`edgekit crops`: what more views of a picture give and cost, and adaptive crops fitted to a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, say, table, write, write_json

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

edgekit predict picture.jpg --model model-crops.onnx --crops adaptive
"""
_PLANS, _BUDGETS = "center,flip,five,ten,grid:3x3,wide,whole,multi-scale", "1.1,1.25,1.5,2"
_RIGHT = {False: "top-1", True: "agreement"}  # what a share of right answers is called, by --unlabeled
_HINT = "-o NEW.onnx writes the model with the recommended adaptive crops"


def run(
    model: Annotated[str, typer.Argument(help="An .onnx file made by edgekit, or the name of a shipped model.")],
    data: Annotated[
        Path, typer.Argument(help="A data set, of which val is used where it has one; or see --unlabeled.")
    ],
    unlabeled: Annotated[
        bool, typer.Option("--unlabeled", help="Any folder of pictures: judge by what many views agree on.")
    ] = False,
    plans: Annotated[str, typer.Option(help="The plans to compare, beside center and ten.")] = _PLANS,
    budgets: Annotated[str, typer.Option(help="Views a picture in the mean, for adaptive crops.")] = _BUDGETS,
    pictures: Annotated[int, typer.Option(min=4, help="At most so many are looked at, drawn by the seed.")] = 1000,
    halves: Annotated[int, typer.Option(min=1, help="How often adaptive crops are fitted to half of them.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Draws the pictures and the halves.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", show_default="the cores there are")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve into this .png, .svg or .pdf.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the model with the recommended adaptive crops.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as one JSON document.")] = False,
) -> None:
    """Compare crop plans on pictures, fit adaptive crops (more views only for pictures in doubt), and store them."""
    from edgekit.evaluate.compare_crops import compare, fit, look_at, recommended
    from edgekit.plots.crops import draw
    from edgekit.plots.style import check_plot
    from edgekit.runtime.classifier import Classifier

    classifier = Classifier(model, threads=threads)
    _check_output(output, classifier.path)
    chosen, limits = _chosen_plans(plans), _chosen_budgets(budgets)
    sources, truth = _read(data, unlabeled, classifier.labels, pictures, seed)
    if plot is not None:
        check_plot(plot)
    with progress_bar("looking", len(sources)) as advance:
        seen = look_at(classifier, sources, chosen, on_picture=advance)
    scores = compare(seen, truth, budgets=limits, halves=halves, seed=seed)
    best = recommended(scores)
    plan = fit(seen, truth, budget=best.budget or 1.0)
    if plot is not None:
        draw(scores, best, plot, of=_RIGHT[unlabeled])
    if output is not None:
        _store(classifier.path, plan, output)
    if json:
        figures = {"pictures": len(sources), "judged_by": _RIGHT[unlabeled], "plans": [s.to_dict() for s in scores]}
        write_json({"schema": 1, **figures, "recommended": plan.to_dict()})
        return
    _show(scores, plan, len(sources), _RIGHT[unlabeled])
    say(f"wrote {output}; next: edgekit predict PICTURE --model {output} --crops adaptive" if output else _HINT)


def _check_output(output: Path | None, model: Path) -> None:
    from edgekit.errors import SpecError

    if output is not None and output.absolute() == model:
        raise SpecError(f"{output}: is the model itself; write to another file")


def _chosen_plans(text: str) -> list[CropPlan]:
    """The plans of the list, behind those that all are compared with."""
    from edgekit.evaluate.compare_crops import BASELINES
    from edgekit.preprocess.crops import plan_named

    names = (*BASELINES, *(name.strip() for name in text.split(",") if name.strip()))
    return list({plan.name: plan for plan in map(plan_named, names)}.values())


def _chosen_budgets(text: str) -> list[float]:
    from edgekit.errors import SpecError

    try:
        budgets = sorted({float(budget) for budget in text.split(",")})
    except ValueError:
        budgets = []
    if not budgets or not all(1 <= budget < math.inf for budget in budgets):
        raise SpecError(f"--budgets {text!r}: write numbers of views from 1, such as {_BUDGETS}")
    return budgets


def _read(
    data: Path, unlabeled: bool, labels: tuple[str, ...], most: int, seed: int
) -> tuple[Sequence[ImageSource], npt.NDArray[np.int64] | None]:
    """At most so many pictures, and their classes among the model's labels where they are known."""
    import numpy as np

    from edgekit import dataset
    from edgekit.errors import DataError
    from edgekit.evaluate.accuracy import matched_labels

    if unlabeled:
        found = dataset.read_unlabeled(data)
        drawn = np.random.default_rng(seed).permutation(len(found))[:most]
        return [found[number] for number in sorted(drawn)], None
    try:
        pictures = dataset.read(data, "val")
    except DataError:  # it has no halves, or it cannot be read at all, which this says
        pictures = dataset.read(data, "all")
    pictures = pictures.sample(most, seed=seed)
    return pictures.sources, matched_labels(pictures, labels)


def _store(model: Path, plan: AdaptivePlan, output: Path) -> None:
    from dataclasses import replace

    from edgekit.artifact.info import parse_info, read_model, write_info
    from edgekit.files import sha256

    content = read_model(model)
    info = parse_info(content, name=str(model))
    write_info(content, replace(info, crops=plan, parent_sha256=sha256(content)), output)


def _show(scores: Sequence[PlanScore], plan: AdaptivePlan, pictures: int, right: str) -> None:
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
    write(table(("plan", "views", "time", right, "over center, points", "over ten, points"), rows))
    looks = f"{', then '.join(plan.looks)}; temperature {plan.temperature:g}, margin {plan.margin:.3f}"
    write(f"\nrecommended: adaptive crops with a budget of {plan.budget:g} ({looks})")
    better = better_fixed(scores, next(score for score in scores if score.budget == plan.budget))
    if better is not None:
        write(f"{better.plan} is better still, at {better.time:.2f}x the time: --crops {better.plan}")
    say(f"on {pictures} pictures; intervals of 95%, paired; adaptive crops judged on pictures they were not fitted to")


def _points(gain: Interval) -> str:
    return f"{100 * gain.value:+.2f} ({100 * gain.low:+.2f} to {100 * gain.high:+.2f})"
