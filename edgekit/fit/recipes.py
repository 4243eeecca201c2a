"""The training recipes of a search: short ones for the rungs, the long one of the chosen network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgekit.train.recipe import Recipe

if TYPE_CHECKING:
    from edgekit.fit.candidate import Candidate
    from edgekit.fit.transfer import Transfer

# From random weights, in few epochs.
_SCRATCH: Mapping[str, Any] = {
    "batch_size": 64,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "warmup_epochs": 0.5,
    "ema_decay": 0.99,
}
# From a random head: until it has settled, it must not change the body much.
_TRANSFER: Mapping[str, Any] = {
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "weight_decay": 1e-4,
    "backbone_rate": 0.01,
    "layer_decay": 0.9,
    "head_start": False,
}


def rung_recipe(candidate: Candidate, *, epochs: Sequence[int], seed: int) -> Recipe:
    """The recipe of a candidate from random weights in the rungs up to now.

    The learning rate falls to 0 at the end of every rung, so that it is judged by a finished network, and starts anew
    in the next one; so a run of one rung is extended by that of the next.

    Args:
        candidate: the candidate.
        epochs: at the end of each of these rungs, ascending.
        seed: of the training.
    """
    optimize = {**_SCRATCH, "epochs": epochs[-1], "restarts": list(epochs[:-1])}
    return _recipe(candidate, optimize=optimize, seed=seed)


def final_recipe(candidate: Candidate, *, epochs: int, seed: int, val_fraction: float) -> Recipe:
    """The recipe of the chosen candidate from random weights.

    It sees whole images from the first epoch on: crops that grow save a seventh of the time and cost 5 to 9 points.

    Args:
        candidate: the candidate.
        epochs: of the training.
        seed: of the training.
        val_fraction: as the data were read with.
    """
    optimize = {**_SCRATCH, "epochs": epochs, "warmup_epochs": min(1.0, epochs / 4), "ema_decay": 0.998}
    return _recipe(candidate, optimize=optimize, seed=seed, val_fraction=val_fraction)


def transfer_recipe(
    candidate: Candidate, transfer: Transfer, *, tune: str, seed: int, epochs: int = 0, val_fraction: float = 0.0
) -> Recipe:
    """The recipe of a candidate that starts from pretrained weights.

    Args:
        candidate: the candidate.
        transfer: its weights.
        tune: "head", which is solved for, or "full".
        seed: of the training.
        epochs: of "full".
        val_fraction: as the data were read with.
    """
    values: dict[str, Any] = {
        "weights": transfer.weights,
        "tune": tune,
        "seed": seed,
        "val_fraction": val_fraction,
        "model": candidate.network,
        "arguments": {**candidate.arguments, **transfer.arguments},
        "preprocess": {**candidate.preprocess.to_dict(), **transfer.preprocess},
    }
    if tune != "head":
        # The head was solved for before, to rank the candidates; here, its pass over the images is not in the plan.
        values |= {"keep": "last", "optimize": {**_TRANSFER, "epochs": epochs}}
    return Recipe.from_dict(values)


def _recipe(
    candidate: Candidate,
    *,
    optimize: Mapping[str, Any],
    seed: int,
    val_fraction: float = 0.0,
) -> Recipe:
    return Recipe.from_dict(
        {
            "seed": seed,
            "val_fraction": val_fraction,
            "keep": "last",  # no epoch is chosen by the images that judge it
            "model": candidate.network,
            "arguments": candidate.arguments,
            "preprocess": candidate.preprocess.to_dict(),
            "augment": _augment(candidate),
            "optimize": dict(optimize),
        }
    )


def _augment(candidate: Candidate) -> dict[str, Any]:
    if not candidate.margin:
        return {"crop_padding": max(candidate.resolution // 8, 1)}
    return {"crop_scale": [0.35, 1.0]}
