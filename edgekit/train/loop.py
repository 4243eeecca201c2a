"""The training loop: epochs of steps, a checkpoint after each, an evaluation of the averaged weights."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.dataset import PictureSet
from edgekit.errors import DataError, EdgekitError
from edgekit.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgekit.train.loader import evaluation_batches, training_batches
from edgekit.train.recipe import Optimize, Recipe
from edgekit.train.schedule import learning_rate
from edgekit.zoo.build import build
from edgekit.zoo.network import Network, PixelNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands, after one step: what a progress bar shows."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    pictures_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """One row of results: epoch (from 1) of epochs, mean loss, accuracies (0 to 1; None where none was due)."""

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    val_accuracy: float | None
    seconds: float


def train(
    recipe: Recipe,
    training: PictureSet,
    validation: PictureSet,
    *,
    run: Path,
    resume: bool = False,
    workers: int = 1,
    device: str = "cpu",
    evaluate_every: int = 1,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
) -> Checkpoint:
    """Train from random initialization; the finished checkpoint, also written to run/model.safetensors.

    run/last.safetensors holds the whole state after each epoch: `resume` goes on from it, to the same weights that an
    undisturbed run ends in. Raises DataError for data that does not fit, EdgekitError when the loss is not a number.
    """
    if training.classes != validation.classes:
        raise DataError(
            f"train has the classes {training.classes}, val has {validation.classes}; they must be the same"
        )
    state = _State(recipe, classes=training.classes, device=torch.device(device))
    last = run / "last.safetensors"
    if resume and last.exists():
        state.restore(load_checkpoint(last))
    for epoch in range(state.epoch, recipe.optimize.epochs):
        start = time.perf_counter()
        loss, accuracy = _epoch(state, training, epoch, workers, on_step)
        state.epoch = epoch + 1
        save_checkpoint(last, state.checkpoint())
        due = state.epoch % evaluate_every == 0 or state.epoch == recipe.optimize.epochs
        on_epoch(
            EpochResult(
                epoch=epoch + 1,
                epochs=recipe.optimize.epochs,
                loss=loss,
                train_accuracy=accuracy,
                val_accuracy=evaluate(state.averaged, validation, recipe, workers=workers) if due else None,
                seconds=time.perf_counter() - start,
            )
        )
    finished = Checkpoint(
        recipe=recipe,
        classes=training.classes,
        tensors=state.averaged.network.state_dict(),
        state={"epoch": recipe.optimize.epochs},
    )
    save_checkpoint(run / "model.safetensors", finished)
    return finished


class _State:
    """All that changes while training: weights, averaged weights, momentum, epoch, generator."""

    def __init__(self, recipe: Recipe, *, classes: tuple[str, ...], device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        network = build(recipe.model, **recipe.arguments, classes=len(classes))
        self.recipe, self.classes, self.device, self.epoch = recipe, classes, device, 0
        mean, std = recipe.preprocess.mean, recipe.preprocess.std
        self.live = PixelNetwork(network, mean=mean, std=std).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.live).eval() if recipe.optimize.ema_decay else self.live
        self.optimizer = _sgd(network, recipe.optimize)

    def average(self, step: int) -> None:
        """One step of the exponential moving average, faster at the start (decay at most (1 + step) / (10 + step))."""
        decay = min(self.recipe.optimize.ema_decay, (1 + step) / (10 + step))
        for mean, value in zip(self.averaged.state_dict().values(), self.live.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)  # the number of batches that a norm has seen

    def checkpoint(self) -> Checkpoint:
        tensors = {f"live.{name}": t for name, t in self.live.network.state_dict().items()}
        tensors |= {f"averaged.{name}": t.clone() for name, t in self.averaged.network.state_dict().items()}
        tensors |= {f"momentum.{n}": t for n, t in self._momentum()}
        tensors["generator"] = torch.get_rng_state()
        return Checkpoint(recipe=self.recipe, classes=self.classes, tensors=tensors, state={"epoch": self.epoch})

    def restore(self, saved: Checkpoint) -> None:
        if saved.recipe != self.recipe or saved.classes != self.classes:
            raise DataError("the checkpoint to resume from has another recipe or other classes; start a new run")

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in saved.tensors.items() if n.startswith(prefix)}

        self.live.network.load_state_dict(part("live."))
        self.averaged.network.load_state_dict(part("averaged."))
        parameters = dict(self.live.network.named_parameters())
        for name, tensor in part("momentum.").items():
            parameter = parameters[name]
            self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(tensor)
        torch.set_rng_state(saved.tensors["generator"])
        self.epoch = int(saved.state["epoch"])

    def _momentum(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.live.network.named_parameters():
            if "momentum_buffer" in self.optimizer.state[parameter]:
                yield name, self.optimizer.state[parameter]["momentum_buffer"]


def _sgd(network: Network, optimize: Optimize) -> torch.optim.SGD:
    """Weight decay on the weights of convolutions and linear layers alone: norms and biases have one dimension."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": optimize.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD(
        groups, lr=optimize.learning_rate, momentum=optimize.momentum, nesterov=optimize.momentum > 0
    )


def _epoch(
    state: _State, training: PictureSet, epoch: int, workers: int, on_step: Callable[[Progress], None]
) -> tuple[float, float]:
    """One pass over the pictures: mean loss and accuracy of its steps."""
    optimize = state.recipe.optimize
    steps = max(len(training) // optimize.batch_size, 1)
    state.live.train()
    loss_sum, correct, seen, start = 0.0, 0, 0, time.perf_counter()
    batches = training_batches(training, state.recipe, epoch=epoch, workers=workers)
    for step, (pixels, labels) in enumerate(batches):
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(optimize, epoch + (step + 1) / steps)
        loss, logits = _step(state, pixels.to(state.device), labels.to(state.device))
        if optimize.ema_decay:
            state.average(epoch * steps + step)
        if not torch.isfinite(loss):
            raise EdgekitError(
                f"the loss is {loss.item()} at epoch {epoch + 1}, step {step + 1}; lower the learning rate "
                f"({optimize.learning_rate}); the checkpoint of epoch {epoch} is kept"
            )
        loss_sum += loss.item() * len(labels)
        correct += int((logits.argmax(1).cpu() == labels).sum())
        seen += len(labels)
        rate = seen / (time.perf_counter() - start)
        on_step(
            Progress(
                epoch=epoch + 1,
                epochs=optimize.epochs,
                step=step + 1,
                steps=steps,
                loss=loss_sum / seen,
                accuracy=correct / seen,
                pictures_per_s=rate,
            )
        )
    return loss_sum / seen, correct / seen


def _step(state: _State, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    half = state.recipe.precision == "bfloat16"
    with torch.autocast(state.device.type, dtype=torch.bfloat16, enabled=half):
        logits = state.live(pixels).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=state.recipe.optimize.label_smoothing)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    return loss.detach(), logits.detach()


@torch.inference_mode()
def evaluate(network: nn.Module, pictures: PictureSet, recipe: Recipe, *, workers: int = 1) -> float:
    """Top-1 accuracy (0 to 1) by the reference center crop."""
    training, device = network.training, next(network.parameters()).device
    network.eval()
    correct = 0
    for pixels, labels in evaluation_batches(pictures, recipe.preprocess, batch_size=256, workers=workers):
        correct += int((network(pixels.to(device)).argmax(1).cpu() == labels).sum())
    network.train(training)
    return correct / len(pictures)
