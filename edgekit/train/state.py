"""Everything that changes during training: weights, their average, the optimizer's state, and the position."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgekit.errors import DataError, WeightsError, listed, quote
from edgekit.preprocess.scores import Task
from edgekit.train.callbacks import EpochResult
from edgekit.train.checkpoint import Checkpoint
from edgekit.train.optimizer import create_optimizer, optimizer_tensors, restore_optimizer
from edgekit.train.recipe import Recipe
from edgekit.train.schedule import extends
from edgekit.train.tune import Tuning, freeze, parameter_groups, set_training_mode, trained_tensors
from edgekit.zoo.network import Network, PixelNetwork

_FIGURES = ("val_accuracy", "val_loss", "macro_recall", "never_predicted")  # of the weights, stored with them
_OLDER_ENTRIES = ("best", "best_epoch")  # until schema 2; now they follow from the history


@dataclass(slots=True)
class Position:
    """How far a training run has progressed.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps of the current epoch.
        loss_sum: sum of the losses of this epoch's images so far.
        correct: number of this epoch's images that were predicted correctly so far.
        seen: number of this epoch's images so far.
        history: one row for each finished epoch, as in results.csv; `monitor.best_epoch` finds the best one in it.
        images: fingerprint of the training and validation images.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    images: str = ""

    def __post_init__(self) -> None:
        kinds: dict[str, type | UnionType] = {"int": int, "float": int | float, "str": str}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not isinstance(value, kinds.get(str(entry.type), list)):
                raise TypeError(f"{entry.name} is {quote(value)}")

    def add_step(self, *, loss_sum: float, correct: int, seen: int) -> None:
        """Count a finished step; the arguments are those of its images."""
        self.step += 1
        self.loss_sum += loss_sum
        self.correct += correct
        self.seen += seen

    def finish_epoch(self) -> None:
        """Move to the start of the next epoch."""
        self.epoch += 1
        self.step, self.loss_sum, self.correct, self.seen = 0, 0.0, 0, 0


class TrainingState:
    """The network being trained, its average, its optimizer, and its position.

    Attributes:
        network: the network whose weights are trained.
        averaged: its exponential moving average; `network` itself if the recipe has no `ema_decay`.
        tuning: which parts are trained, and how fast.
        head_is_new: whether the head has random weights, while the body has pretrained ones.
        optimizer: the optimizer of the trained parameters.
        position: how far the run has progressed.
        training_network: maps the inputs of a batch to (logits, auxiliary logits).
        evaluation_network: maps the inputs of a batch to logits, by the averaged weights. If only the head is
            trained, the inputs of both are features, otherwise pixels.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        tuning: Tuning,
        *,
        classes: tuple[str, ...],
        task: Task = "single-label",
        head_is_new: bool = False,
    ) -> None:
        self.recipe, self.network, self.tuning, self.classes, self.task = recipe, network, tuning, classes, task
        self.head_is_new = head_is_new
        self.position = Position()
        freeze(network, tuning)
        self.averaged = copy.deepcopy(network).eval() if recipe.optimize.ema_decay else network
        groups = parameter_groups(network, tuning, recipe.optimize.weight_decay)
        self.optimizer = create_optimizer(groups, recipe.optimize)
        self.training_network: nn.Module
        self.evaluation_network: nn.Module
        if tuning.body_frozen:
            self.training_network, self.evaluation_network = _FeaturesToLogits(network), self.averaged.head
        else:
            self.training_network = _PixelsToLogits(_pixel_network(network, recipe))
            self.evaluation_network = _pixel_network(self.averaged, recipe)
        self._average_pairs = self._pair_averages()

    def train_mode(self) -> None:
        """Put the trained parts into training mode."""
        set_training_mode(self.network, self.tuning)

    def update_average(self, step: int) -> None:
        """Update the moving average; its decay is at most (1 + step) / (10 + step), so it moves faster at the start."""
        decay = min(self.recipe.optimize.ema_decay, (1 + step) / (10 + step))
        for mean, value in self._average_pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)  # num_batches_tracked of batch normalization

    def is_finite(self) -> bool:
        """Whether every trained weight is finite."""
        return all(bool(torch.isfinite(t).all()) for t in trained_tensors(self.network, self.tuning).values())

    def checkpoint(self) -> Checkpoint:
        """The whole state, for resuming."""
        tensors = {f"live.{name}": t for name, t in self.network.state_dict().items()}
        if self.averaged is not self.network:
            tensors |= {f"averaged.{name}": t for name, t in self.averaged.state_dict().items()}
        tensors |= {f"optimizer.{name}": t for name, t in optimizer_tensors(self.optimizer, self.network).items()}
        return Checkpoint(recipe=self.recipe, classes=self.classes, tensors=tensors, state=asdict(self.position))

    def model_checkpoint(self, epoch: int, *, monitor: str | None = None) -> Checkpoint:
        """The network alone, as evaluated and exported; identical for the same recipe, data and machine.

        Args:
            epoch: number of the epoch whose weights the averaged network has.
            monitor: the figure by which the epoch was chosen as the best; None if it was not chosen.
        """
        row = next((row for row in self.position.history if row["epoch"] == epoch), {})
        facts = {"epoch": epoch} | {name: row.get(name) for name in _FIGURES}
        facts |= {} if self.task == "single-label" else {"task": self.task}
        if monitor is not None:
            # The figures above are of the images that chose the epoch: on others, lower ones are to be expected.
            facts["chosen_on_val"] = {"monitor": monitor, "epochs": self.position.epoch}
        tensors = dict(self.averaged.state_dict())
        return Checkpoint(recipe=self.recipe, classes=self.classes, tensors=tensors, state=facts)

    def restore(self, saved: Checkpoint) -> None:
        """Return to the point where a checkpoint was saved.

        Raises:
            DataError: the checkpoint is from a run with a recipe that this one does not extend, with other classes or
                other images.
            WeightsError: it is not what `checkpoint` returns.
        """
        if saved.classes != self.classes or not self._continues(saved):
            raise DataError(
                f"the checkpoint to resume from has {_first_difference(saved, self.recipe)}; start a new run instead"
            )
        images = self.position.images
        if saved.state.get("images", images) != images:
            raise DataError("the checkpoint to resume from belongs to other images or labels; start a new run instead")
        try:
            self.network.load_state_dict(_with_prefix(saved.tensors, "live."))
            if self.averaged is not self.network:
                self.averaged.load_state_dict(_with_prefix(saved.tensors, "averaged."))
            restore_optimizer(self.optimizer, self.network, _with_prefix(saved.tensors, "optimizer."))
            self.position = _restored_position(saved.state, images)
        except (KeyError, RuntimeError, TypeError) as error:  # only in files without a checksum
            raise WeightsError(f"the checkpoint to resume from does not fit its network: {quote(error)}") from None

    def _continues(self, saved: Checkpoint) -> bool:
        if saved.recipe == self.recipe:
            return True
        epoch = saved.state.get("epoch")
        return isinstance(epoch, int) and extends(
            self.recipe, saved.recipe, epoch=epoch + bool(saved.state.get("step"))
        )

    def _pair_averages(self) -> list[tuple[Tensor, Tensor]]:
        if self.averaged is self.network:
            return []
        means, values = (trained_tensors(network, self.tuning) for network in (self.averaged, self.network))
        return [(means[name], value) for name, value in values.items()]


def _restored_position(state: Mapping[str, Any], images: str) -> Position:
    """The position of a checkpoint, also of one that an older version saved."""
    entries = {name: value for name, value in state.items() if name not in _OLDER_ENTRIES}
    columns = dict.fromkeys(column.name for column in fields(EpochResult))
    history = [{**columns, **row} for row in entries.pop("history", [])]
    return Position(**{**entries, "history": history, "images": images})


class _PixelsToLogits(nn.Module):
    """Maps pixels to logits and auxiliary logits, as a `forward`: DistributedDataParallel wraps nothing else."""

    def __init__(self, network: PixelNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.network.training_logits(pixels)


class _FeaturesToLogits(nn.Module):
    """Maps features to logits; auxiliary heads need the body, so there are none."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.head = network.head

    def forward(self, features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return cast(Callable[[Tensor], Tensor], self.head)(features), ()


def _pixel_network(network: Network, recipe: Recipe) -> PixelNetwork:
    pixel_network = PixelNetwork(network, mean=recipe.preprocess.mean, std=recipe.preprocess.std)
    return pixel_network.to(next(network.parameters()).device)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _first_difference(saved: Checkpoint, recipe: Recipe) -> str:
    """Describe the first setting that differs."""
    before, now = _settings(saved.recipe), _settings(recipe)
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            return f"another recipe: {name} was {quote(before.get(name))} and is now {quote(now.get(name))}"
    return f"other classes: {listed(saved.classes)}"


def _settings(recipe: Recipe) -> dict[str, Any]:
    """All settings of a recipe by name, whichever section they are in."""
    settings: dict[str, Any] = {}
    for name, value in recipe.to_dict().items():
        settings |= value if isinstance(value, dict) else {name: value}
    return settings
