"""`fit`: from a budget, a device and labeled images to a trained, quantized and verified model inside the budget."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgekit.errors import DataError, SpecError, check_types, must_be
from edgekit.fit.assembly import fitted_of
from edgekit.fit.budget import Budget
from edgekit.fit.candidate import PRECISIONS
from edgekit.fit.device import Device
from edgekit.fit.fitted import Fitted
from edgekit.fit.front import FrontPoint
from edgekit.fit.front_document import budget_values, device_values, write_front
from edgekit.fit.images import SearchImages, read_search_images
from edgekit.fit.layers import Traces
from edgekit.fit.plan import Plan, divide
from edgekit.fit.preselection import preselect
from edgekit.fit.ranking import SLACK, infeasible, predicted_points
from edgekit.fit.report_page import write_fit_report
from edgekit.fit.rungs import run_rungs
from edgekit.fit.search_settings import SearchSettings, names
from edgekit.fit.search_task import SearchTask
from edgekit.fit.space import candidates
from edgekit.fit.state_file import SearchState, open_state
from edgekit.fit.transfer import Transfer, is_plain, transfers
from edgekit.fit.winner import finish
from edgekit.quantize.pixel_cache import MIN_CALIBRATION_IMAGES
from edgekit.stages import StageProgress, no_progress

_MOST_WORKERS = 256


def fit(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    budget: Budget,
    device: Device,
    hours: float = 2.0,
    weights: Sequence[str] = (),
    arguments: Mapping[str, Any] = MappingProxyType({}),
    preprocess: Mapping[str, Any] = MappingProxyType({}),
    networks: Sequence[str] = (),
    precisions: Sequence[str] = PRECISIONS,
    training: bool = True,
    val_fraction: float = 0.0,
    max_drop: float = 1.0,
    allow_leaks: bool = False,
    workers: int = 1,
    seed: int = 0,
    progress: StageProgress = no_progress,
    on_note: Callable[[str], None] = lambda note: None,
) -> Fitted:
    """Find, train and verify the most accurate network that a device can afford.

    Candidates are ranked by their predicted figures and by the published accuracies of networks like them. Several of
    the best are exported and measured; those inside the budget are trained for a while and compared on training images
    that are held out, in rounds of fewer candidates with more time each. The best one is trained from the start on all
    training images, exported, quantized if it is an int8 candidate, compared with its float32 model on the val images,
    and measured again. If it fails, the next one takes its place.

    A search that was interrupted or killed goes on if it is called again with the same arguments. Its choice is that of
    an uninterrupted one; only the length of the last training depends on the time that is left.

    Args:
        data: labeled images as in `dataset.read_both`.
        output: folder for model.onnx, recipe.toml, front.json, report.html and the state of the search.
        budget: the limits.
        device: the device, by `device_named`.
        hours: length of the search, on this machine; above 0.
        weights: pretrained weights to start from: "imagenet" for the published ones, or weights files. Only networks
            that they fit are candidates then.
        arguments: arguments of the network that a weights file belongs to, e.g. {"padding": "tf_same"}.
        preprocess: fields of the preprocessing that it was trained with, e.g. {"mean": 0.5, "std": 0.5}.
        networks: names of the networks that are candidates; all of the space by default.
        precisions: "float32", "int8" or both.
        training: whether to train; otherwise candidates are only ranked.
        val_fraction: share of each class to use as val images, for data without any.
        max_drop: largest accuracy drop of an int8 model from its float32 model, in percentage points.
        allow_leaks: whether val images may also be training images.
        workers: number of processes that prepare images.
        seed: of all draws and trainings.
        progress: called with a stage, its finished steps and all of them.
        on_note: called with each message for the user.

    Returns:
        All candidates with their figures, and the chosen one with its model.

    Raises:
        SpecError: no candidate keeps the budget, or an argument is not valid.
        DataError: the images cannot be used, or `output` belongs to something else.
        WeightsError: weights cannot be had, or fit no network.
        QualityGateError: none of the candidates that were trained passes the quality gate inside the budget.
        KeyboardInterrupt: Ctrl-C was pressed; the state has been saved.

    Example:
        >>> from edgekit.fit import Budget, device_named, fit
        >>> ranked = fit(
        ...     "photos",
        ...     "ranked",
        ...     budget=Budget.parse(latency="20ms", size="4MB"),
        ...     device=device_named("pi.json"),
        ...     networks=["mobilenet_v1"],
        ...     training=False,
        ... )
        >>> all(point.figures.latency_ms < 20 for point in ranked.points if ranked.budget.admits(point.figures))
        True
    """
    check_types(str | os.PathLike, data=data, output=output)
    check_types(Budget, budget=budget)
    check_types(Device, device=device)
    check_types(bool, training=training)
    if not isinstance(workers, int) or isinstance(workers, bool) or not 0 <= workers <= _MOST_WORKERS:
        raise SpecError(must_be("workers", f"an integer from 0 to {_MOST_WORKERS}", workers))
    settings = SearchSettings(
        data=os.fspath(data),
        hours=hours,
        weights=names("weights", weights),
        arguments=arguments if not isinstance(arguments, Mapping) else dict(arguments),
        preprocess=preprocess if not isinstance(preprocess, Mapping) else dict(preprocess),
        networks=names("networks", networks),
        precisions=names("precisions", precisions),
        val_fraction=val_fraction,
        max_drop=max_drop,
        allow_leaks=allow_leaks,
        seed=seed,
    )
    search = _Search(settings, budget, device, workers=workers, progress=progress, on_note=on_note)
    return search.run(Path(output), training=training)


class _Search:
    """A search with its settings.

    Args:
        settings: as given to `fit`, as all others.
        budget: the limits.
        device: the device.
        workers: number of processes that prepare images.
        progress: called with a stage, its finished steps and all of them.
        on_note: called with each message for the user.
    """

    def __init__(
        self,
        settings: SearchSettings,
        budget: Budget,
        device: Device,
        *,
        workers: int,
        progress: StageProgress,
        on_note: Callable[[str], None],
    ) -> None:
        self.settings, self.budget, self.device, self.workers = settings, budget, device, workers
        self.progress, self.on_note = progress, on_note

    def run(self, output: Path, *, training: bool) -> Fitted:
        """Search, or go on with it, and write all files."""
        state = open_state(output, self._determinants())
        if state.seconds:
            self.on_note(f"{output}: continuing the search, on which {state.seconds / 60:.1f} minutes were spent")
        try:
            images = self._images(state)
            traces = Traces()
            points, transfers_by_network = self._points(images, traces)
            task = self._task(state, images, points, transfers_by_network)
            if training:
                self._train(task, traces)
            state.save()
        except BaseException:
            if state.entries:  # otherwise nothing was found that another budget could not use as well
                state.save()
            raise
        fitted = fitted_of(task, data=Path(self.settings.data).name, settings=self.settings.to_dict())
        write_front(fitted, output / "front.json")
        write_fit_report(fitted, output / "report.html")
        return fitted

    def _determinants(self) -> dict[str, Any]:
        """What must be the same when a search goes on, apart from the images."""
        device = {name: value for name, value in device_values(self.device).items() if name != "source"}
        return {**self.settings.to_dict(), "budget": budget_values(self.budget), "device": device}

    def _images(self, state: SearchState) -> SearchImages:
        settings = self.settings
        images = read_search_images(
            settings.data,
            val_fraction=settings.val_fraction,
            seed=settings.seed,
            allow_leaks=settings.allow_leaks,
            known=state.images,
            progress=self.progress,
        )
        if "int8" in settings.precisions and len(images.training) < MIN_CALIBRATION_IMAGES:
            raise DataError(
                f"{settings.data}: int8 needs at least {MIN_CALIBRATION_IMAGES} training images (got "
                f"{len(images.training)}); add images, or set `precisions` to float32"
            )
        facts = images.facts()
        if state.images not in ({}, facts):
            raise DataError(f"{state.path.parent}: has a fit of other images or labels; choose another `output` folder")
        if images.channels == 1 and not state.images:
            self.on_note(
                "the images that were sampled are gray: candidates read gray images, and training does not mirror"
            )
        state.images = facts
        return images

    def _points(self, images: SearchImages, traces: Traces) -> tuple[tuple[FrontPoint, ...], dict[str, Transfer]]:
        """The candidates with their predicted figures, and the weights that they start from."""
        settings = self.settings
        found = candidates(
            classes=len(images.training.classes),
            image_size=images.edge,
            channels=images.channels,
            networks=settings.networks,
            precisions=settings.precisions,
        )
        if settings.weights:
            found = tuple(candidate for candidate in found if is_plain(candidate))
        points = predicted_points(found, device=self.device, traces=traces, progress=self.progress)
        near = [point for point in points if self.budget.admits(point.predicted, slack=SLACK)]
        if not near:
            raise infeasible(points, self.budget)
        if not settings.weights:
            return points, {}
        weights = transfers(
            [point.candidate for point in near],
            settings.weights,
            arguments=settings.arguments,
            preprocess=settings.preprocess,
            on_note=self.on_note,
        )
        return tuple(point for point in points if point.candidate.network in weights), weights

    def _task(
        self,
        state: SearchState,
        images: SearchImages,
        points: tuple[FrontPoint, ...],
        transfers_by_network: Mapping[str, Transfer],
    ) -> SearchTask:
        settings = self.settings
        return SearchTask(
            budget=self.budget,
            device=self.device,
            images=images,
            points={point.name: point for point in points},
            transfers=transfers_by_network,
            state=state,
            seconds=3600 * settings.hours,
            val_fraction=settings.val_fraction,
            max_drop=settings.max_drop,
            workers=self.workers,
            seed=settings.seed,
            progress=self.progress,
            on_note=self.on_note,
        )

    def _train(self, task: SearchTask, traces: Traces) -> None:
        state = task.state
        if state.plan is None:
            preselect(task, traces)
            state.save()  # counts the time until now
            speeds = {name: entry["images_per_s"] for name, entry in state.entries.items() if entry["images_per_s"]}
            plan = divide(
                task.seconds,
                speeds,
                begun=state.seconds,
                training_images=len(task.images.learning),
                held_out_images=len(task.images.deciding),
            )
            state.plan = plan.to_dict()
            state.save()
            if plan.passes(len(task.images.learning)) < 1:
                self.on_note(
                    f"{state.seconds / 60:.1f} of {task.seconds / 60:.1f} minutes passed before the first training: "
                    f"what is left is not enough to see every image once, so the choice is little better than chance; "
                    f"raise `hours`, with another `output` folder"
                )
        run_rungs(task, Plan.from_dict(state.plan))
        finish(task)
