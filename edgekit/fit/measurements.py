"""Candidates as files: exported and quantized as the chosen one will be, and measured on this machine."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgekit.artifact.info import ArtifactInfo, read_info, read_model, write_info
from edgekit.bench.subject import noise_feed
from edgekit.dataset import ImageSet
from edgekit.evaluate.timing import time_in_turn
from edgekit.export.pipeline import convert
from edgekit.fit.cost_model import memory_of
from edgekit.fit.front import Figures
from edgekit.quantize.candidates import CandidateBuilder
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.schemes import scheme_named
from edgekit.runtime.run_limits import run
from edgekit.runtime.session import SessionOptions, open_session
from edgekit.runtime.targets import Target
from edgekit.stages import StageProgress, no_progress, step_counter
from edgekit.train.distributed import TrainingProcess
from edgekit.train.metrics import batch_loss
from edgekit.train.recipe import Recipe
from edgekit.train.setup import create_feed, initial_state
from edgekit.zoo.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgekit.fit.device import Device
    from edgekit.train.feeds import Feed
    from edgekit.train.loader import Batch

_CALIBRATION_IMAGES = 16  # the ranges of random weights: any images do
_ROUNDS = 12
# Measured latencies over the expected ones, in the median: 1.1 is the most that was seen on a quiet machine.
_BUSY = 1.25
_ROUND_S = 0.05
_SPEED_S = 1.5  # of training steps
_MOST_STEPS = 20
_STEP_MACS, _SMALLEST_STEP = 1e9, 8  # of the forward pass of a step, images of a step


def write_untrained(
    recipe: Recipe,
    images: ImageSet,
    path: Path,
    *,
    precision: str,
    target: Target,
    progress: StageProgress = no_progress,
) -> None:
    """Write the network of a recipe with random weights as the model file that its training would become.

    Latency, size and memory depend on the layers, not on the weights.

    Args:
        recipe: of the network.
        images: whose classes and task it has; some of them calibrate its int8 form.
        path: the .onnx file to write.
        precision: "float32" or "int8".
        target: processor of the int8 form.
        progress: called with the steps of the export.
    """
    torch.manual_seed(recipe.seed)
    network = build(recipe.model, **recipe.network_arguments, classes=len(images.classes)).eval()
    info = ArtifactInfo(
        model=recipe.model,
        arguments=recipe.arguments,
        labels=images.classes,
        preprocess=recipe.preprocess,
        license="unknown",
        task=images.task,
    )
    convert(network, info, path, progress=progress)
    if precision == "int8":
        source = read_float_source(path)
        with PixelCache(images.sample(_CALIBRATION_IMAGES, seed=0), recipe.preprocess) as pixels:
            data = CandidateBuilder(source.model, pixels, target=target, progress=no_progress).build(
                scheme_named("int8")
            )
        parity = {**source.info.parity, "quantize": {"target": target.name}}
        write_info(data, dataclasses.replace(source.info, precision="int8", parity=parity), path)


def quiet_figures(
    paths: Sequence[Path],
    *,
    device: Device,
    expected: Sequence[Figures],
    progress: StageProgress = no_progress,
    on_note: Callable[[str], None] = lambda note: None,
) -> list[Figures]:
    """The figures of model files, measured a second time if the machine seems to have had other work.

    Args:
        paths: edgekit models.
        device: the device; if it is not this machine, latencies are not measured.
        expected: their predicted figures, or earlier ones.
        progress: called with the rounds of measuring.
        on_note: called with a line if they are measured again.
    """
    figures = file_figures(paths, device=device, predicted=expected, progress=progress)
    slowdown = statistics.median(
        one.latency_ms / other.latency_ms for one, other in zip(figures, expected, strict=True)
    )
    if slowdown < _BUSY:
        return figures
    on_note(
        f"networks take {slowdown:.1f} times as long as expected, as if other programs were busy on this machine; "
        f"measuring them again"
    )
    again = file_figures(paths, device=device, predicted=expected, progress=progress)
    return [min(pair, key=lambda one: one.latency_ms) for pair in zip(figures, again, strict=True)]


def file_figures(
    paths: Sequence[Path], *, device: Device, predicted: Sequence[Figures], progress: StageProgress = no_progress
) -> list[Figures]:
    """What model files cost: their sizes, the memory of their tensors, and their latencies, measured in turn.

    Args:
        paths: edgekit models.
        device: the device; if it is not this machine, latencies are not measured.
        predicted: their predicted figures, whose latencies are then returned.
        progress: called with the rounds of measuring.
    """
    models = [read_model(path) for path in paths]
    if device.is_here:
        runs = [_one_image(model, path, device.threads) for model, path in zip(models, paths, strict=True)]
        on_round = step_counter(progress, "measuring candidates", _ROUNDS)
        seconds = time_in_turn(runs, rounds=_ROUNDS, round_s=_ROUND_S, on_round=on_round)
        # The median of the rounds' fastest calls: other processes on the machine only ever add time.
        latencies = [float(np.median(timings.min(axis=1))) * 1e3 for timings in seconds]
    else:
        latencies = [figures.latency_ms for figures in predicted]
    return [Figures(latency, len(model), memory_of(model)) for latency, model in zip(latencies, models, strict=True)]


def _one_image(model: bytes, path: Path, threads: int) -> Callable[[], object]:
    session = open_session(
        model, name=str(path), options=SessionOptions(threads=threads), target=read_info(path).target
    )
    return partial(run, session, ["logits"], noise_feed(session, str(path)))


def training_speed(recipe: Recipe, images: ImageSet, *, macs: int, workers: int) -> float:
    """Measure how many images of a set a recipe trains in a second, with everything that a step does.

    The median step counts, so that a short disturbance of the machine does not.

    Args:
        recipe: of a network that is trained, not only its head.
        images: the images to train on.
        macs: multiply-accumulates of the network for one image; large ones are measured in small steps.
        workers: number of processes that prepare images.
    """
    batch_size = min(recipe.optimize.batch_size, max(int(_STEP_MACS / macs), _SMALLEST_STEP))
    recipe = dataclasses.replace(recipe, optimize=dataclasses.replace(recipe.optimize, batch_size=batch_size))
    state = initial_state(recipe, images.classes, device="cpu", task=images.task)
    sample = images.sample(_MOST_STEPS * batch_size, seed=recipe.seed)
    feed = create_feed(state, sample, sample.subset(range(1)), workers=workers, process=TrainingProcess())
    state.train_mode()
    steps, last = list[float](), 0.0  # seconds for an image
    for number, batch in enumerate(islice(_endless(feed), _MOST_STEPS)):
        logits, _ = state.training_network(batch.inputs)
        loss = batch_loss(logits, batch, smoothing=0.0, weights=None) / len(batch.labels)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        now = time.perf_counter()
        if number:  # the first step also starts the processes and allocates memory
            steps.append((now - last) / len(batch.labels))
        last = now
        if sum(steps) * batch_size > _SPEED_S:
            break
    return 1 / statistics.median(steps)


def _endless(feed: Feed) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from feed.training(epoch, 0)
        epoch += 1
