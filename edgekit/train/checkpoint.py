"""Weights on disk: a .safetensors file that also says which network it is, for which classes and by which recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from edgekit.errors import WeightsError
from edgekit.files import write_atomically
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build
from edgekit.zoo.network import Network

_KEY = "edgekit"
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Tensors by name, and what they mean.

    state: JSON-ready facts of the moment (epoch, accuracy). Of a finished training, tensors is the network's state
    dict; of a running one, it also has the optimizer's and the generator's state under prefixes.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> Network:
        """The trained network, in evaluation mode."""
        network = build(self.recipe.model, **self.recipe.arguments, classes=len(self.classes))
        network.load_state_dict(dict(self.tensors))
        return network.eval()


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write it so that a crash or a full disk at any moment leaves the old file or the new one, whole."""
    document = {
        "schema": SCHEMA,
        "recipe": checkpoint.recipe.to_dict(),
        "classes": checkpoint.classes,
        "state": dict(checkpoint.state),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    write_atomically(Path(path), save(tensors, metadata={_KEY: json.dumps(document, sort_keys=True)}))


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Raises WeightsError for a file that is not one of save_checkpoint's."""
    name = os.fspath(path)
    try:
        with safe_open(name, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a mapping)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{name}: not a readable .safetensors file: {error}") from None
    if _KEY not in metadata:
        raise WeightsError(f"{name}: bare weights, not an edgekit checkpoint; name their network and give --weights")
    document = json.loads(metadata[_KEY])
    if document.get("schema") != SCHEMA:
        raise WeightsError(f"{name}: checkpoint schema {document.get('schema')!r}; this edgekit reads {SCHEMA}")
    return Checkpoint(
        recipe=Recipe.from_dict(document["recipe"]),
        classes=tuple(document["classes"]),
        tensors=tensors,
        state=document["state"],
    )
