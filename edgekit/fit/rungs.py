"""The rungs of a search: candidates are trained for a while, judged on held-out images, and the better ones go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.fit.learning_curve import expected_error
from edgekit.fit.plan import FINAL_SHARE, Plan
from edgekit.fit.recipes import rung_recipe, transfer_recipe
from edgekit.fit.search_task import SearchTask, result_of
from edgekit.train.recipe import Recipe

# Features of an image cost a forward pass, training on it three times as much.
_FEATURES_PER_STEP = 3


def run_rungs(task: SearchTask, plan: Plan) -> None:
    """Train the candidates of the plan, rung by rung; what the state has of them is not repeated.

    Args:
        task: the search.
        plan: what to train.
    """
    names, state = list(plan.images), task.state
    for number, survivors in enumerate(plan.survivors, 1):
        if len(state.rungs) < number:
            for name in names:
                if str(number) not in state.entries[name]["results"]:
                    state.entries[name]["results"][str(number)] = _trained(task, name, plan, number=number)
                    state.save()
            state.rungs.append(_rung(task, names, plan, number=number, survivors=survivors))
            state.save()
        names = state.rungs[number - 1]["survivors"]


def by_result(task: SearchTask, names: Iterable[str]) -> list[str]:
    """Candidates in order: those that came further first, then by the error that is expected in the end, then by loss.

    Args:
        task: the search.
        names: of candidates that have results.
    """

    def rank(name: str) -> tuple[float, float, float, str]:
        results = task.state.entries[name]["results"]
        result = results[max(results, key=int)]
        return -len(results), _final_error(task, name, result), result["loss"], name

    return sorted(names, key=rank)


def _final_error(task: SearchTask, name: str, result: Mapping[str, Any]) -> float:
    """The error of a candidate after the final training; of fine-tuning, which is not continued, that of its result.

    A candidate that is off from what is expected of it by some factor will be off by the same one in the end.
    """
    error = 1.0 - float(result["accuracy"])
    if result["tune"] != "scratch":
        return error
    point = task.points[name]
    seen = result["epochs"] * result["images"]
    in_the_end = max(FINAL_SHARE * task.seconds * task.state.entries[name]["images_per_s"], seen)
    then, now = (
        expected_error(point.candidate, images, prior=point.prior, edge=task.images.edge)
        for images in (in_the_end, seen)
    )
    return error * then / now


def _trained(task: SearchTask, name: str, plan: Plan, *, number: int) -> dict[str, Any]:
    """The result of a candidate in a rung; of one with weights, that of its better kind of tuning."""
    learning, deciding = task.images.learning, task.images.deciding
    recipe, kind, count = _recipe(task, name, plan, number=number)
    checkpoint = task.train(
        recipe,
        learning.sample(count, seed=task.seed),
        deciding,
        folder=task.folder(name, kind),
        stage=f"rung {number} of {len(plan.epochs)}: {name}",
    )
    result = {**result_of(checkpoint), "tune": recipe.tune, "epochs": recipe.optimize.epochs, "images": count}
    earlier: dict[str, Any] | None = task.state.entries[name]["results"].get(str(number - 1))
    if task.transfer(name) is None or earlier is None or _gain(result) > _gain(earlier):
        return result
    return {**earlier, "images": count}


def _recipe(task: SearchTask, name: str, plan: Plan, *, number: int) -> tuple[Recipe, str, int]:
    """The recipe of a candidate in a rung, the end of its folder's name, and the number of its images."""
    candidate, transfer, images = task.points[name].candidate, task.transfer(name), plan.images[name]
    if transfer is None:
        recipe = rung_recipe(candidate, epochs=plan.epochs[:number], seed=task.seed)
        return recipe, "search", images
    if number == 1:
        count = min(images * plan.epochs[0] * _FEATURES_PER_STEP, len(task.images.learning))
        return transfer_recipe(candidate, transfer, tune="head", seed=task.seed), "head", count
    epochs = plan.epochs[number - 1] - plan.epochs[0]
    return transfer_recipe(candidate, transfer, tune="full", epochs=epochs, seed=task.seed), "full", images


def _gain(result: dict[str, Any]) -> tuple[float, float]:
    return result["accuracy"], -result["loss"]


def _rung(task: SearchTask, names: list[str], plan: Plan, *, number: int, survivors: int) -> dict[str, Any]:
    results = {name: task.state.entries[name]["results"][str(number)] for name in names}
    task.state.save()  # counts the time until now
    begun = plan.begun + sum(rung["seconds"] for rung in task.state.rungs)
    return {
        "number": number,
        "epochs": plan.epochs[number - 1],
        "candidates": names,
        "survivors": by_result(task, names)[:survivors],
        "accuracies": {name: result["accuracy"] for name, result in results.items()},
        "images": {name: result["images"] for name, result in results.items()},
        "seconds": task.state.seconds - begun,
    }
