"""The result of a search from its state: the points with everything that is known of them, and the chosen one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgekit.fit.figures_text import figures_text, percent
from edgekit.fit.fitted import Fitted, Rung
from edgekit.fit.front import Figures, FrontPoint
from edgekit.fit.search_task import SearchTask

_MUCH = 0.1  # of the accuracy on ImageNet: what a larger network gains by it is worth the time


def fitted_of(task: SearchTask, *, data: str, settings: Mapping[str, Any]) -> Fitted:
    """Put the result of a search together.

    Args:
        task: the search.
        data: name of the data set.
        settings: of the search, as JSON-ready values.
    """
    state = task.state
    final = next((final for final in state.finals if _is_written(final)), None)
    points = {name: _point(task, name) for name in task.points}
    chosen = None
    if final is not None:
        chosen = points[final["name"]] = dataclasses.replace(
            points[final["name"]],
            measured=Figures(**final["outcome"]["figures"]),
            accuracy=points[final["trained"]].accuracy,
            rung=points[final["trained"]].rung,
            stage="chosen",
        )
    outcome = final["outcome"] if final else {}
    return Fitted(
        output=task.output,
        data=data,
        classes=len(task.images.training.classes),
        budget=task.budget,
        device=task.device,
        settings=settings,
        points=tuple(points.values()),
        seconds=state.seconds,
        rungs=tuple(_rung(rung) for rung in state.rungs),
        chosen=chosen,
        reason=_reason(task, chosen) if chosen else "",
        model=task.output / "model.onnx" if chosen else None,
        val_accuracy=outcome.get("val_accuracy"),
        quantized_accuracy=outcome.get("quantized_accuracy"),
        verdict=outcome.get("verdict"),
        val_images=len(task.images.validation),
        held_out_images=len(task.images.deciding),
    )


def _is_written(final: Mapping[str, Any]) -> bool:
    return final["outcome"] is not None and final["outcome"]["rejected"] is None


def _point(task: SearchTask, name: str) -> FrontPoint:
    """A candidate with what was measured of it."""
    point, entry = task.points[name], task.state.entries.get(name)
    if entry is None or entry["measured"] is None:
        return point
    point = dataclasses.replace(point, measured=Figures(**entry["measured"]), stage="measured")
    if not entry["results"]:
        return point
    rung = max(map(int, entry["results"]))
    return dataclasses.replace(point, accuracy=entry["results"][str(rung)]["accuracy"], rung=rung, stage="trained")


def _rung(values: Mapping[str, Any]) -> Rung:
    return Rung(**{**values, "candidates": tuple(values["candidates"]), "survivors": tuple(values["survivors"])})


def _reason(task: SearchTask, chosen: FrontPoint) -> str:
    """Why this candidate, as one sentence or two."""
    trained = sum(bool(entry["results"]) for entry in task.state.entries.values())
    rejected = [final for final in task.state.finals if not _is_written(final)]
    metric = "accuracy" if task.images.training.task == "single-label" else "mAP"
    how = "measured" if task.device.is_here else "predicted"
    budget = f"It keeps the budget with {figures_text(chosen.figures)} ({how})."
    if rejected:
        others = "; ".join(f"{final['name']} {final['outcome']['rejected']}" for final in rejected)
        return f"The best of {trained} trained candidates, except for some that were rejected: {others}. {budget}"
    accuracy, highest = chosen.accuracy or 0.0, max(task.state.rungs[-1]["accuracies"].values())
    ahead = f" (another one had {percent(highest)}, but is expected to gain less)" if highest > accuracy else ""
    which = f"has the highest {metric}" if task.transfers else f"is expected to have the highest {metric} in the end"
    return (
        f"Of {trained} candidates that were trained, the one that {which}: "
        f"{percent(accuracy)} on {len(task.images.deciding)} held-out training images{ahead}. "
        f"{budget}{_more_time(task, chosen)}"
    )


def _more_time(task: SearchTask, chosen: FrontPoint) -> str:
    """A sentence if it was the time, and not the budget, that kept the network small."""
    inside = (point.prior for point in task.points.values() if task.budget.admits(point.predicted))
    if task.transfers or max(inside, default=0.0) < chosen.prior + _MUCH:
        return ""
    return " The budget would allow networks that need a longer training: give the search more time to try them."
