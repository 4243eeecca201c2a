"""Which candidates a search trains: a shortlist is exported and measured, and what exceeds the budget is replaced."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from edgekit.artifact.sidecar import sidecar_path
from edgekit.fit.accuracy import family_of
from edgekit.fit.front import Figures, FrontPoint
from edgekit.fit.layers import Traces
from edgekit.fit.learning_curve import expected_error
from edgekit.fit.measurements import quiet_figures, training_speed, write_untrained
from edgekit.fit.plan import FINAL_SHARE, candidate_count
from edgekit.fit.ranking import SLACK, infeasible, shortlist
from edgekit.fit.recipes import rung_recipe, transfer_recipe
from edgekit.fit.search_task import SearchTask
from edgekit.fit.training_time import representatives, training_seconds, training_work
from edgekit.train.recipe import Recipe

# How often candidates that turn out to exceed the budget are replaced by the next best ones.
_ATTEMPTS = 3


def preselect(task: SearchTask, traces: Traces) -> None:
    """Choose the candidates to train, measure what their files cost, and how fast they train.

    The state then has an entry for each: those with "images_per_s" are inside the budget as measured.

    Args:
        task: the search.
        traces: where the layers of architectures are kept.

    Raises:
        SpecError: no measured candidate keeps the budget.
    """
    entries, wanted = task.state.entries, candidate_count(task.seconds)
    near = {name: point for name, point in task.points.items() if task.budget.admits(point.predicted, slack=SLACK)}
    seconds = _training_seconds(task, near, traces)

    def error(point: FrontPoint) -> float:
        if task.transfers:  # the weights have learned from enough images
            return 1 - point.prior
        images = FINAL_SHARE * task.seconds / seconds[point.name]
        return expected_error(point.candidate, images, prior=point.prior, edge=task.images.edge)

    while True:
        unmeasured = [name for name, entry in entries.items() if entry["measured"] is None]
        if not unmeasured:
            missing = wanted - len(_inside(task))
            others = _likely(task, near)
            if missing <= 0 or not others or task.state.attempts == _ATTEMPTS:
                break
            chosen = shortlist(others, count=missing, error=error)
            unmeasured = [point.name for point in chosen]
            entries |= {name: {"measured": None, "images_per_s": None, "results": {}} for name in unmeasured}
            task.state.attempts += 1
            task.state.save()
        _measure(task, unmeasured)
    if not _inside(task):
        raise infeasible([measured_point(task, name) for name in entries], task.budget)
    for name in _inside(task):
        if entries[name]["images_per_s"] is None:
            macs = traces.cost(task.points[name].candidate).macs
            entries[name]["images_per_s"] = _speed(task, name, macs)
            task.state.save()


def measured_point(task: SearchTask, name: str) -> FrontPoint:
    """A candidate with its measured figures.

    Args:
        task: the search.
        name: of the candidate.
    """
    measured = task.state.entries[name]["measured"]
    return dataclasses.replace(
        task.points[name], measured=measured and Figures(**measured), stage="measured" if measured else "ranked"
    )


def trial_recipe(task: SearchTask, name: str) -> Recipe:
    """The recipe of a candidate's first training of all its layers, which its speed is measured by.

    Args:
        task: the search.
        name: of the candidate.
    """
    candidate, transfer = task.points[name].candidate, task.transfer(name)
    if transfer is None:
        return rung_recipe(candidate, epochs=[1], seed=task.seed)
    return transfer_recipe(candidate, transfer, tune="full", epochs=1, seed=task.seed)


def _inside(task: SearchTask) -> list[str]:
    """The candidates that keep the budget as measured."""
    measured = {name: entry["measured"] for name, entry in task.state.entries.items() if entry["measured"]}
    return [name for name, figures in measured.items() if task.budget.admits(Figures(**figures))]


def _likely(task: SearchTask, points: Mapping[str, FrontPoint]) -> list[FrontPoint]:
    """Candidates that are not measured yet and keep the budget, by what was measured so far.

    What all predictions were off by is corrected. If nothing keeps the budget, all points are returned.
    """
    entries = task.state.entries
    factors = [
        entry["measured"]["latency_ms"] / task.points[name].predicted.latency_ms
        for name, entry in entries.items()
        if entry["measured"]
    ]
    factor = statistics.median(factors) if factors else 1.0
    others = [point for name, point in points.items() if name not in entries]
    figures = [point.predicted._replace(latency_ms=factor * point.predicted.latency_ms) for point in others]
    inside = [point for point, one in zip(others, figures, strict=True) if task.budget.admits(one)]
    return inside or others


def _measure(task: SearchTask, names: Sequence[str]) -> None:
    """Export candidates with random weights and measure them in turn."""
    paths = [task.folder(name, "untrained").with_suffix(".onnx") for name in names]
    for name, path in zip(names, paths, strict=True):
        task.progress(f"exporting {name}", 0, None)
        if not path.exists():
            write_untrained(
                trial_recipe(task, name),
                task.images.learning,
                path,
                precision=task.points[name].candidate.precision,
                target=task.device.target,
            )
        task.state.count_time()
    figures = quiet_figures(
        paths,
        device=task.device,
        expected=[task.points[name].predicted for name in names],
        progress=task.progress,
        on_note=task.on_note,
    )
    for name, measured in zip(names, figures, strict=True):
        task.state.entries[name]["measured"] = measured._asdict()
    task.state.save()
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()
            sidecar_path(path).unlink()


def _training_seconds(task: SearchTask, points: Mapping[str, FrontPoint], traces: Traces) -> dict[str, float]:
    """The time that a training takes for an image, by name of the candidate."""
    works = {name: training_work(traces.layers(point.candidate)) for name, point in points.items()}
    families = {name: family_of(point.candidate.network) for name, point in points.items()}
    for name in representatives(works, families):
        if name not in task.state.speeds:
            task.state.speeds[name] = _speed(task, name, works[name].macs)
            task.state.save()
    return training_seconds(works, task.state.speeds)


def _speed(task: SearchTask, name: str, macs: int) -> float:
    task.progress(f"measuring the speed of training {name}", 0, None)
    return training_speed(trial_recipe(task, name), task.images.learning, macs=macs, workers=task.workers)
