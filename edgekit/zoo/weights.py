"""Weights from a file into a network: names mapped by its paper's key table, every mismatch an error."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from edgekit.errors import WeightsError
from edgekit.zoo.build import published_keys
from edgekit.zoo.network import Network

_HEAD = "head.fc."
_AUXILIARY = "auxiliary."
_LISTED = 6


def load_weights(
    network: Network, path: str | os.PathLike[str], *, model: str, replace_head: bool = False, **arguments: Any
) -> bool:
    """Load a .safetensors or .pth file in our names or in those of the published PyTorch checkpoint of `model`.

    arguments: what the network was built with. True where the head was left as it is, because the file has another
    number of classes and `replace_head` allows it. Auxiliary heads, which only serve training, take what fits them and
    are optional on both sides. Raises WeightsError listing every other missing, extra and misshapen tensor.
    """
    tensors = read_tensors(path)
    wanted = network.state_dict()
    if not tensors.keys() & wanted.keys():
        tensors = rename(tensors, published_keys(model, **arguments))
    tensors = {name: t for name, t in tensors.items() if not _ignorable(name, t, wanted)}
    other_head = any(n.startswith(_HEAD) and n in wanted and t.shape != wanted[n].shape for n, t in tensors.items())
    if other_head and replace_head:
        tensors |= {name: tensor for name, tensor in wanted.items() if name.startswith(_HEAD)}
    _check(tensors, wanted, os.fspath(path))
    network.load_state_dict(tensors, strict=False)  # checked above; only what is optional may be missing
    return other_head and replace_head


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a .pth state dict, whose pickle is restricted to tensors."""
    name = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"{name}: no such file")
    try:
        if Path(path).suffix == ".safetensors":
            return load_file(name)
        loaded = torch.load(name, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{name}: not a readable .safetensors or .pth file of tensors: {reason}") from None
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"{name}: holds {type(loaded).__name__}, not a state dict of tensors")
    return dict(loaded)


def rename(tensors: Mapping[str, Tensor], keys: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors under our names: `keys` maps a published module path to ours; unknown ones keep their name."""
    renamed = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        renamed[f"{keys[module]}.{parameter}" if module in keys else name] = tensor
    return renamed


def _ignorable(name: str, tensor: Tensor, wanted: Mapping[str, Tensor]) -> bool:
    """Auxiliary heads that this network was built without, or with another number of classes."""
    return name.startswith(_AUXILIARY) and (name not in wanted or tensor.shape != wanted[name].shape)


def _check(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: str) -> None:
    # Older checkpoints do not count the batches that a norm has seen, and nothing depends on it.
    required = (n for n in wanted if not n.startswith(_AUXILIARY) and not n.endswith("num_batches_tracked"))
    missing = [n for n in required if n not in tensors]
    extra = [n for n in tensors if n not in wanted]
    shared = [n for n in tensors if n in wanted]
    misshapen = [
        f"{n} is {tuple(tensors[n].shape)}, not {tuple(wanted[n].shape)}"
        for n in shared
        if tensors[n].shape != wanted[n].shape
    ]
    problems = (("missing", missing), ("unknown", extra), ("misshapen", misshapen))
    found = "; ".join(f"{len(names)} {kind}: {_listed(names)}" for kind, names in problems if names)
    if found:
        raise WeightsError(f"{path}: does not fit this network: {found}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
