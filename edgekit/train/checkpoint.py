"""Weights on disk: a .safetensors file that also states its network, its classes and its recipe."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from edgekit.artifact.older_schemas import with_schema_2
from edgekit.errors import WeightsError
from edgekit.files import write_atomically
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build
from edgekit.zoo.network import Network

_METADATA_KEY = "edgekit"
_CHECKSUM = "sha256"
_FACT_NAMES = dict.fromkeys(("schema", "recipe", "classes", "state")).keys()
SCHEMA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Tensors by name, and which network, classes and recipe they belong to.

    state: JSON-ready facts of the moment (epoch, accuracy). Of a finished training, tensors is the network's state
    dict; of a running one, it has the network's, its average's and the optimizer's under prefixes.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> Network:
        """The trained network, in evaluation mode."""
        network = build(self.recipe.model, **self.recipe.network_arguments, classes=len(self.classes))
        network.load_state_dict(dict(self.tensors))
        return network.eval()

    def facts(self) -> dict[str, Any]:
        """Everything but the tensors, as JSON-ready values."""
        return {
            "schema": SCHEMA,
            "recipe": self.recipe.to_dict(),
            "classes": self.classes,
            "state": dict(self.state),
        }


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write it so that a crash or a full disk at any moment leaves the old file or the new one, whole.

    A checksum over everything in it goes into it. Raises EdgekitError if it cannot be written.
    """
    facts = checkpoint.facts()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    # One key only: safetensors writes several in an order of its own each time, and equal weights are equal bytes.
    metadata = {_METADATA_KEY: json.dumps(facts | {_CHECKSUM: _checksum(facts, tensors)}, sort_keys=True)}
    write_atomically(Path(path), save(tensors, metadata=metadata))


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Raises WeightsError for a file that is not one of save_checkpoint's, or not as it was written."""
    name = os.fspath(path)
    metadata, tensors = _read(name)
    if _METADATA_KEY not in metadata:
        raise WeightsError(f"{name}: bare weights, not an edgekit checkpoint; name their network and give --weights")
    document = _document(name, metadata[_METADATA_KEY])
    expected = document.pop(_CHECKSUM, None)  # files written before there was one have none
    if expected is not None and expected != _checksum(document, tensors):
        raise WeightsError(f"{name}: corrupt: its checksum is not that of its contents")
    document = with_schema_2(document)
    if document.get("schema") != SCHEMA:
        raise WeightsError(f"{name}: checkpoint schema {document.get('schema')!r}; this edgekit reads {SCHEMA}")
    if document.keys() != _FACT_NAMES:  # a damaged name of the checksum, for one
        raise WeightsError(f"{name}: corrupt: it says {', '.join(document)} of itself, not {', '.join(_FACT_NAMES)}")
    return Checkpoint(
        recipe=Recipe.from_dict(document["recipe"]),
        classes=tuple(document["classes"]),
        tensors=tensors,
        state=document["state"],
    )


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise WeightsError(f"{name}: corrupt: what it says of itself is not a JSON object")
    return document


def _read(name: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(name, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{name}: not a readable .safetensors file: {error}") from None


def _checksum(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the facts and over each tensor's name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
