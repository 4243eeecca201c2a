"""Weights from a file into a network: names mapped by its paper's key table, every mismatch an error."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from edgekit.errors import WeightsError, listed
from edgekit.zoo.build import published_keys
from edgekit.zoo.network import Network

_HEAD = "head.fc."
_AUXILIARY = "auxiliary."
_PTH_SIGNATURES = (b"PK\x03\x04", b"\x80")  # a zip archive, and the bare pickle of old
_STATE_DICT_KEYS = ("state_dict", "model")
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")


def load_weights(
    network: Network, path: str | os.PathLike[str], *, model: str, replace_head: bool = False, **arguments: Any
) -> bool:
    """Load a .safetensors or .pth file in our names or in those of the published PyTorch checkpoint of `model`.

    arguments: what the network was built with. True if the head was left as it is, because the file has another
    number of classes and `replace_head` allows it. Auxiliary heads, which only serve training, take what fits them and
    are optional on both sides. Floats become the network's own kind. Raises WeightsError listing every other missing,
    extra, misshapen and unusable tensor, the network unchanged.
    """
    tensors = read_tensors(path)
    expected = network.state_dict()
    if not tensors.keys() & expected.keys():
        tensors = renamed_tensors(tensors, published_keys(model, **arguments))
    tensors = {name: t for name, t in tensors.items() if not _is_ignorable(name, t, expected)}
    classes, hint = _classes_of_another_head(tensors, expected), ""
    if classes and replace_head:
        tensors |= {name: tensor for name, tensor in expected.items() if name.startswith(_HEAD)}
    elif classes:
        hint = f"; its head has {classes} classes: `edgekit train` gives it a new one (replace_head=True in Python)"
    _check_fit(tensors, expected, path=os.fspath(path), hint=hint)
    network.load_state_dict(tensors, strict=False)  # checked above; only what is optional may be missing
    return bool(classes) and replace_head


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a .pth state dict, whose pickle is restricted to tensors.

    A state dict may lie in a training checkpoint under "state_dict" or "model", and all its names may have the prefix
    of a wrapper. Raises WeightsError for everything else; nothing in the file is ever run.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"{name}: {'a folder, not a file' if Path(path).is_dir() else 'no such file'}")
    try:
        loaded = load_file(name) if Path(path).suffix == ".safetensors" else _load_pth(name)
    except pickle.UnpicklingError:  # torch's own message advises to switch the restriction off
        raise WeightsError(
            f"{name}: refused: it holds more than tensors, which may be code that runs on loading, or it is broken; "
            "save the state dict alone, best as .safetensors"
        ) from None
    except Exception as error:  # both readers raise anything at all on broken bytes
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
        raise WeightsError(f"{name}: not a readable .safetensors or .pth file of tensors: {reason}") from None
    return _without_wrapper(_state_dict(loaded, name))


def _load_pth(name: str) -> Any:
    with open(name, "rb") as file:
        signature = file.read(8)
    if not signature.startswith(_PTH_SIGNATURES):
        raise ValueError(f"it begins with {signature!r}" if signature else "it is empty")
    # torch neither writes compressed entries nor minds them: 200 kB of them may unpack to 200 MB.
    if zipfile.is_zipfile(name):
        with zipfile.ZipFile(name) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > Path(name).stat().st_size:
                raise ValueError("it unpacks to more than its own size")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about files that are refused a moment later
        return torch.load(name, map_location="cpu", weights_only=True)


def _state_dict(loaded: object, path: str) -> dict[str, Tensor]:
    """The state dict that `loaded` is or contains. Raises WeightsError naming what in it is not a plain tensor."""
    for key in _STATE_DICT_KEYS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
            break
    if not isinstance(loaded, dict) or not loaded:
        content = "no tensors" if isinstance(loaded, dict) else f"{type(loaded).__name__}, not a state dict of tensors"
        raise WeightsError(f"{path}: holds {content}")
    not_plain = [repr(name) for name, value in loaded.items() if not (isinstance(name, str) and _is_plain(value))]
    if not_plain:
        raise WeightsError(f"{path}: not a state dict: no plain tensors are {listed(not_plain)}")
    return loaded


def _is_plain(value: object) -> bool:
    """Whether it is a tensor whose values lie one by one in memory."""
    return isinstance(value, Tensor) and not (
        value.is_nested or value.is_quantized or value.is_meta or value.layout != torch.strided
    )


def _without_wrapper(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the prefixes that DataParallel and torch.compile put before every name."""
    for prefix in _WRAPPER_PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def renamed_tensors(tensors: Mapping[str, Tensor], keys: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors under our names: `keys` maps a published module path to ours; unknown ones keep their name."""
    renamed = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        renamed[f"{keys[module]}.{parameter}" if module in keys else name] = tensor
    return renamed


def _is_ignorable(name: str, tensor: Tensor, expected: Mapping[str, Tensor]) -> bool:
    """Auxiliary heads that this network was built without, or with another number of classes."""
    return name.startswith(_AUXILIARY) and (name not in expected or tensor.shape != expected[name].shape)


def _classes_of_another_head(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    """The number of classes of the file's head if only that differs from the network's; else 0."""
    heads = {n: (t.shape, expected[n].shape) for n, t in tensors.items() if n.startswith(_HEAD) and n in expected}
    if any(len(theirs) != len(ours) or theirs[1:] != ours[1:] for theirs, ours in heads.values()):
        return 0
    counts = {theirs[0] for theirs, ours in heads.values() if theirs != ours}
    return counts.pop() if len(counts) == 1 else 0


def _check_fit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, path: str, hint: str) -> None:
    # Older checkpoints do not count the batches that a norm has seen, and nothing depends on it.
    required = (n for n in expected if not n.startswith(_AUXILIARY) and not n.endswith("num_batches_tracked"))
    missing = [n for n in required if n not in tensors]
    extra = [n for n in tensors if n not in expected]
    shared = {n: (tensors[n], expected[n]) for n in tensors if n in expected}
    misshapen = [f"{n} is {tuple(t.shape)}, not {tuple(e.shape)}" for n, (t, e) in shared.items() if t.shape != e.shape]
    faults = {n: _value_fault(t, e) for n, (t, e) in shared.items() if t.shape == e.shape}
    unusable = [f"{n} {fault}" for n, fault in faults.items() if fault]
    problems = (("missing", missing), ("unknown", extra), ("misshapen", misshapen), ("unusable", unusable))
    summary = "; ".join(f"{len(names)} {kind}: {listed(names)}" for kind, names in problems if names)
    if summary:
        raise WeightsError(f"{path}: does not fit this network: {summary}{hint}")


def _value_fault(tensor: Tensor, expected: Tensor) -> str:
    """Why the values cannot be the network's; empty if they can."""
    if tensor.is_floating_point() != expected.is_floating_point():
        return f"is {tensor.dtype}, not {expected.dtype}"  # integers without their scale mean nothing
    if not torch.isfinite(tensor.to(expected.dtype)).all():
        return f"has values that are not finite in {expected.dtype}"
    return ""
