"""Checkpoints: .safetensors files that also contain the network's name, its classes and its recipe."""

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
from edgekit.errors import DataError, SpecError, WeightsError, check_types, listed, quote
from edgekit.files import check_regular_file, write_atomically
from edgekit.labels import check_labels
from edgekit.preprocess.scores import Task
from edgekit.train.recipe import Recipe
from edgekit.zoo.build import build
from edgekit.zoo.network import Network

_METADATA_KEY = "edgekit"
_CHECKSUM = "sha256"
_FACT_TYPES = {"schema": int, "recipe": dict, "classes": list, "state": dict}
# Enough for 100,000 classes.
_MAX_CHARACTERS = 8 * 2**20
SCHEMA = 4
# 2: before the best epoch was chosen by a figure, and classes were balanced; 3: before images in shards
_READ_SCHEMAS = (2, 3, SCHEMA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights, and the network, classes and recipe that they belong to.

    Attributes:
        recipe: how the weights were trained.
        classes: class names, in the order of the logits.
        tensors: of a finished run the network's state dict; of an unfinished one the state of the network, of its
            average and of the optimizer, under the prefixes "live.", "averaged." and "optimizer.".
        state: JSON-ready facts about the moment of saving, such as "epoch" and "val_accuracy".
    """

    recipe: Recipe
    classes: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The task of a finished network: "multi-label" if it was trained on images with several labels each."""
        return "multi-label" if self.state.get("task") == "multi-label" else "single-label"

    @property
    def epoch_choice(self) -> dict[str, Any] | None:
        """The "epoch" of a finished network, of how many "epochs" it was chosen, and the "monitor"; None if not so."""
        choice = self.state.get("chosen_on_val")
        return {**choice, "epoch": self.state.get("epoch")} if isinstance(choice, Mapping) else None

    def network(self) -> Network:
        """Build the trained network, in evaluation mode.

        Raises:
            WeightsError: the tensors are not those of the network that the recipe describes.
        """
        try:
            with torch.device("meta"):  # without memory: a damaged or hostile recipe may describe terabytes
                described = {name: tensor.shape for name, tensor in self._build().state_dict().items()}
        except SpecError as error:
            raise WeightsError(f"the checkpoint's network cannot be built: {error}") from None
        if described != {name: tensor.shape for name, tensor in self.tensors.items()}:
            raise WeightsError(
                f"the checkpoint's tensors do not fit its network {self.recipe.model} with {len(self.classes)} classes"
            )
        network = self._build()
        network.load_state_dict(dict(self.tensors))
        return network.eval()

    def _build(self) -> Network:
        return build(self.recipe.model, **self.recipe.network_arguments, classes=len(self.classes))

    def facts(self) -> dict[str, Any]:
        """Everything but the tensors, as JSON-ready values."""
        return {
            "schema": SCHEMA,
            "recipe": self.recipe.to_dict(),
            "classes": self.classes,
            "state": dict(self.state),
        }


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically, with a checksum over its contents.

    A crash or a full disk at any moment leaves either the old file or the new one, complete.

    Args:
        path: the .safetensors file to write.
        checkpoint: what to write.

    Raises:
        EdgekitError: the file cannot be written.
    """
    facts = checkpoint.facts()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    # A single key, because safetensors writes several in an order that varies, and equal weights must be equal bytes.
    metadata = {_METADATA_KEY: json.dumps(facts | {_CHECKSUM: _checksum(facts, tensors)}, sort_keys=True)}
    write_atomically(Path(path), save(tensors, metadata=metadata))


def checkpoint_path(path: str | os.PathLike[str]) -> Path:
    """Return the checkpoint of a finished training.

    Args:
        path: a checkpoint, or the folder of a run.

    Raises:
        WeightsError: the folder has no model.safetensors.
    """
    file = Path(path)
    if not file.is_dir():
        return file
    model = file / "model.safetensors"
    if not model.is_file():
        others = listed(sorted(other.name for other in file.glob("*.safetensors"))) or "no checkpoints"
        raise WeightsError(f"{file}: has no model.safetensors, which a finished training writes (it has {others})")
    return model


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of a training run, and verify its checksum.

    Args:
        path: a .safetensors file from the run's folder, e.g. runs/first/model.safetensors.

    Raises:
        WeightsError: the file cannot be read, is not an edgekit checkpoint, or is corrupt.

    Example:
        >>> from edgekit import dataset
        >>> from edgekit.train import Recipe, load_checkpoint, train
        >>> recipe = Recipe.from_dict({"model": "lenet5", "optimize": {"epochs": 1}})
        >>> _ = train(recipe, *dataset.read_both("photos"), run="runs/first")
        >>> checkpoint = load_checkpoint("runs/first/model.safetensors")
        >>> checkpoint.classes, checkpoint.network().training
        (('bolt', 'nut', 'washer'), False)
    """
    check_types(str | os.PathLike, path=path)
    name = os.fspath(path)
    metadata, tensors = _read(name)
    if _METADATA_KEY not in metadata:
        raise WeightsError(f"{name}: bare weights, not an edgekit checkpoint; give their network's name and `weights`")
    document = _document(name, metadata[_METADATA_KEY])
    expected = document.pop(_CHECKSUM, None)  # older files have no checksum
    if expected is not None and expected != _checksum(document, tensors):
        raise WeightsError(f"{name}: corrupt: the checksum does not match the contents")
    document = with_schema_2(document)
    if document.get("schema") not in _READ_SCHEMAS:
        raise WeightsError(
            f"{name}: unknown checkpoint schema {quote(document.get('schema'))}; this version of edgekit reads schemas "
            f"up to {SCHEMA}"
        )
    if document.keys() != _FACT_TYPES.keys():  # for example because the checksum's key is damaged
        raise WeightsError(
            f"{name}: corrupt: the metadata has the entries {quote(list(document))}, not {', '.join(_FACT_TYPES)}"
        )
    for entry, kind in _FACT_TYPES.items():
        if not isinstance(document[entry], kind):
            raise WeightsError(f"{name}: corrupt: {entry} is {quote(document[entry])}")
    try:
        recipe = Recipe.from_dict(document["recipe"])
        classes = check_labels(document["classes"], least=1)
    except (DataError, SpecError) as error:
        raise WeightsError(f"{name}: {error}") from None
    return Checkpoint(recipe=recipe, classes=classes, tensors=tensors, state=document["state"])


def _document(name: str, text: str) -> dict[str, Any]:
    if len(text) > _MAX_CHARACTERS:
        raise WeightsError(f"{name}: more than {_MAX_CHARACTERS} characters of metadata")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise WeightsError(f"{name}: corrupt: the metadata is not a JSON object")
    return document


def _read(name: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    check_regular_file(name, error=WeightsError)
    try:
        with safe_open(name, framework="pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{name}: not a readable .safetensors file: {error}") from None


def _checksum(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the facts and over each tensor's name, dtype, shape and bytes, sorted by name."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
