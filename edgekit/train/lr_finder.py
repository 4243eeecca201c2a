"""The learning rate range test: a short sweep over learning rates (Smith 2015, arXiv 1506.01186, section 3.3)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, SpecError
from edgekit.train.allocator import freed_memory_kept
from edgekit.train.balance import check_balance, loss_weights
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import Feed
from edgekit.train.interrupt import torch_failures_explained
from edgekit.train.loader import Batch
from edgekit.train.metrics import batch_loss
from edgekit.train.recipe import Recipe
from edgekit.train.setup import create_feed, initial_state

_MIN_RATE, _MAX_RATE = 1e-5, 3.0
_SMOOTHING = 0.9
_DIVERGENCE = 3.0  # relative to the lowest loss so far
_MIN_STEPS_TO_MINIMUM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The result of a learning rate range test.

    Attributes:
        rates: increasing learning rates.
        losses: smoothed training loss at each of them.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        """The rate at which the loss falls most steeply over the logarithm of the rate, before its minimum.

        Raises:
            EdgekitError: the loss does not fall.
        """
        lowest = min(range(len(self.losses)), key=self.losses.__getitem__, default=0)
        falls = [self.losses[i - 1] - self.losses[i] for i in range(1, lowest + 1)]
        if len(falls) < _MIN_STEPS_TO_MINIMUM:
            raise EdgekitError("the loss did not fall at any learning rate; check the data and the initial weights")
        return self.rates[max(range(len(falls)), key=falls.__getitem__) + 1]


@freed_memory_kept()
@torch_failures_explained()
def find_learning_rate(
    recipe: Recipe,
    training: ImageSet,
    *,
    steps: int = 100,
    workers: int = 1,
    device: str = "cpu",
    on_step: Callable[[], None] = lambda: None,
) -> Sweep:
    """Train for a few steps while the learning rate grows from 1e-5 to 3, and record the loss.

    Stops as soon as the loss diverges. Nothing is written, and weight decay and the weight average are off. A new head
    starts from random weights; batch norms are as in the training.

    Args:
        recipe: what to train; its learning rate and schedule do not matter.
        training: images to train on.
        steps: number of steps.
        workers: number of processes that prepare images; 0 prepares them in this process.
        device: "cpu", "cuda" or "cuda:NUMBER".
        on_step: called after every step.

    Returns:
        The losses; their `suggestion` is a learning rate to try.

    Raises:
        SpecError: the device is not available.
        WeightsError: the initial weights do not fit or cannot be fetched.
        ImageError: an image cannot be read.
        EdgekitError: memory ran out, or a worker process died.

    Example:
        >>> from edgekit.train.lr_finder import find_learning_rate
        >>> find_learning_rate(recipe, training, steps=50).suggestion  # doctest: +SKIP
        0.0123
    """
    if recipe.distill.teacher:
        raise SpecError("a learning rate is found by the labels alone; leave out `teacher`")
    if recipe.solver == "lbfgs":
        raise SpecError("`solver` 'lbfgs' has no learning rate; set `solver` to sgd")
    optimize = dataclasses.replace(recipe.optimize, weight_decay=0.0, ema_decay=0.0)
    recipe = dataclasses.replace(recipe, optimize=optimize)
    state = initial_state(recipe, training.classes, device=device, task=training.task)
    check_balance(training, recipe)
    weights = loss_weights(training, recipe)
    feed = create_feed(state, training, training.subset(range(1)), workers=workers, process=TrainingProcess())
    state.train_mode()
    rates: list[float] = []
    losses: list[float] = []
    moving_mean = 0.0
    for step, batch in zip(range(steps), _endless_batches(feed), strict=False):
        rate = _MIN_RATE * (_MAX_RATE / _MIN_RATE) ** (step / max(steps - 1, 1))
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        torch.manual_seed(recipe.seed + step)
        logits, _ = state.training_network(batch.inputs.to(device))
        loss = batch_loss(logits, batch, smoothing=optimize.label_smoothing, weights=weights) / len(batch.labels)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        moving_mean = _SMOOTHING * moving_mean + (1 - _SMOOTHING) * loss.item()
        smoothed = moving_mean / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or (losses and smoothed > _DIVERGENCE * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
        on_step()
    return Sweep(rates=tuple(rates), losses=tuple(losses))


def _endless_batches(feed: Feed) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from feed.training(epoch, 0)
        epoch += 1
