"""How a training begins: network, weights, the parts that learn, and the feed of batches."""

from __future__ import annotations

from collections.abc import Callable

import torch

from edgekit.dataset import ImageSet
from edgekit.hub.imagenet_weights import weights_path
from edgekit.train.distributed import TrainingProcess, check_device
from edgekit.train.feeds import FeatureFeed, Feed, ImageFeed
from edgekit.train.recipe import Recipe
from edgekit.train.state import TrainingState
from edgekit.train.tune import Tuning, choose_tuning, named_parts
from edgekit.zoo.build import build
from edgekit.zoo.network import Network
from edgekit.zoo.weights import load_weights


def initial_state(
    recipe: Recipe, classes: tuple[str, ...], *, device: str, on_note: Callable[[str], None] = lambda note: None
) -> TrainingState:
    """The state before the first step: the recipe's network with its weights, for these classes.

    Raises WeightsError for weights that do not fit or do not arrive, SpecError for a device that is not available.
    """
    check_device(device)
    torch.manual_seed(recipe.seed)
    network = build(recipe.model, **recipe.network_arguments, classes=len(classes))
    network.check_input(recipe.preprocess.crop)
    if recipe.weights is not None:
        path = weights_path(recipe.model, recipe.weights)
        arguments = recipe.network_arguments
        if load_weights(network, path, model=recipe.model, replace_head=True, **arguments):
            on_note(f"the weights' head is for other classes; a new one for these {len(classes)} starts from nothing")
    network = network.to(torch.device(device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tuning = choose_tuning(network, recipe)
    on_note(_parameter_summary(network, tuning))
    if tuning.folded:
        on_note("these weights have their batch norm folded in: the norms stay as they are, in evaluation mode")
    return TrainingState(recipe, network, tuning, classes=classes)


def create_feed(
    state: TrainingState, training: ImageSet, validation: ImageSet, *, workers: int, process: TrainingProcess
) -> Feed:
    """Features if the body is frozen, else images."""
    if state.tuning.body_frozen:
        return FeatureFeed(state.network, training, validation, state.recipe, workers=workers, process=process)
    return ImageFeed(training, validation, state.recipe, workers=workers, process=process)


def _parameter_summary(network: Network, tuning: Tuning) -> str:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in named_parts(network).items()}
    learned = [name for name, count in counts.items() if count and tuning.rates[name]]
    frozen = [name for name, count in counts.items() if count and not tuning.rates[name]]
    total, learning = sum(counts.values()), sum(counts[name] for name in learned)
    rest = f"; frozen: {', '.join(frozen)}" if frozen else ""
    return f"{learning:,} of {total:,} parameters learn ({', '.join(learned)}){rest}"
