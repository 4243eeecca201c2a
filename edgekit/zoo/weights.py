"""Loads weights from a file into a network. Published names are mapped to ours; every mismatch is an error."""

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

from edgekit.errors import WeightsError, listed, quote
from edgekit.zoo.build import published_keys
from edgekit.zoo.network import Network

_HEAD = "head.fc."
_AUXILIARY = "auxiliary."
_PTH_SIGNATURES = (b"PK\x03\x04", b"\x80")  # a zip archive, and the pickle of older versions of torch
_STATE_DICT_KEYS = ("state_dict", "model")
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")


def load_weights(
    network: Network, path: str | os.PathLike[str], *, model: str, replace_head: bool = False, **arguments: Any
) -> bool:
    """Load a .safetensors or .pth file into a network.

    The parameters may have edgekit's names or those of the published PyTorch checkpoint of `model`. Floats are
    converted to the dtype of the network. Auxiliary classifiers, which only help training, are optional in the file and
    in the network; tensors of theirs that do not fit are skipped.

    Args:
        network: network to load into; not changed if an error is raised.
        path: weights file.
        model: name of the network.
        replace_head: keep the network's own head if that of the file has a different number of classes.
        **arguments: arguments that the network was built with.

    Returns:
        Whether the network kept its own head.

    Raises:
        WeightsError: the file cannot be read, or does not fit; the message lists every missing, unknown, misshapen and
            unusable tensor.

    Example:
        >>> from edgekit.zoo.build import build
        >>> from edgekit.zoo.weights import load_weights
        >>> network = build("resnet18", classes=2)
        >>> load_weights(network, "resnet18.pth", model="resnet18", replace_head=True)  # doctest: +SKIP
        True
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
        hint = (
            f"; its head has {classes} classes, so train a new one with `edgekit train` (in Python, replace_head=True)"
        )
    _check_fit(tensors, expected, path=os.fspath(path), hint=hint)
    network.load_state_dict(tensors, strict=False)  # checked above: only optional tensors may be missing
    return bool(classes) and replace_head


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file or of a state dict in a .pth file, without running code from it.

    The state dict may be the entry "state_dict" or "model" of a checkpoint. The prefixes that DataParallel and
    torch.compile add to every name are removed.

    Args:
        path: weights file. Files with another suffix than .safetensors are read as .pth.

    Returns:
        The tensors by name.

    Raises:
        WeightsError: the file cannot be read, or contains anything but dense tensors.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise WeightsError(f"{name}: {'a folder, not a file' if Path(path).is_dir() else 'no such file'}")
    try:
        loaded = load_file(name) if Path(path).suffix == ".safetensors" else _load_pth(name)
    except pickle.UnpicklingError:  # torch's own message advises to switch the restriction off
        raise WeightsError(
            f"{name}: refused: it is corrupt, or contains objects other than tensors, which could run code when "
            "loaded; save only the state dict, preferably as .safetensors"
        ) from None
    except Exception as error:  # both readers raise errors of any class on corrupt files
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
        raise WeightsError(f"{name}: not a readable .safetensors or .pth file of tensors: {reason}") from None
    return _without_wrapper(_state_dict(loaded, name))


def _load_pth(name: str) -> Any:
    with open(name, "rb") as file:
        signature = file.read(8)
    if not signature.startswith(_PTH_SIGNATURES):
        raise ValueError(f"it starts with {signature!r}" if signature else "it is empty")
    # torch writes no compressed entries but reads them, and 200 kB of them may decompress to 200 MB.
    if zipfile.is_zipfile(name):
        with zipfile.ZipFile(name) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > Path(name).stat().st_size:
                raise ValueError("it decompresses to more than its own size")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about files that are refused anyway
        return torch.load(name, map_location="cpu", weights_only=True)


def _state_dict(loaded: object, path: str) -> dict[str, Tensor]:
    """The state dict that `loaded` is or contains. Raises WeightsError if it has entries that are not dense tensors."""
    for key in _STATE_DICT_KEYS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
            break
    if not isinstance(loaded, dict) or not loaded:
        content = "an empty dict" if isinstance(loaded, dict) else type(loaded).__name__
        raise WeightsError(f"{path}: must contain a state dict of tensors (got {content})")
    not_dense = [quote(name) for name, value in loaded.items() if not (isinstance(name, str) and _is_dense(value))]
    if not_dense:
        raise WeightsError(f"{path}: must contain a state dict of dense tensors; other entries: {listed(not_dense)}")
    return loaded


def _is_dense(value: object) -> bool:
    """Whether it is a tensor with its own dense, unquantized values."""
    return isinstance(value, Tensor) and not (
        value.is_nested or value.is_quantized or value.is_meta or value.layout != torch.strided
    )


def _without_wrapper(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the prefixes that DataParallel and torch.compile add to every name."""
    for prefix in _WRAPPER_PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def renamed_tensors(tensors: Mapping[str, Tensor], keys: Mapping[str, str]) -> dict[str, Tensor]:
    """Rename tensors by their module paths.

    Args:
        tensors: tensors by name, as "module.path.parameter".
        keys: new module path by old module path; tensors of other modules keep their name.

    Returns:
        The tensors by their new names.
    """
    renamed = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        renamed[f"{keys[module]}.{parameter}" if module in keys else name] = tensor
    return renamed


def _is_ignorable(name: str, tensor: Tensor, expected: Mapping[str, Tensor]) -> bool:
    """Whether the tensor belongs to an auxiliary classifier that this network lacks, or has for other classes."""
    return name.startswith(_AUXILIARY) and (name not in expected or tensor.shape != expected[name].shape)


def _classes_of_another_head(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    """The number of classes of the file's head if it differs from the network's in nothing else; otherwise 0."""
    heads = {n: (t.shape, expected[n].shape) for n, t in tensors.items() if n.startswith(_HEAD) and n in expected}
    if any(len(shape) != len(wanted) or shape[1:] != wanted[1:] for shape, wanted in heads.values()):
        return 0
    counts = {shape[0] for shape, wanted in heads.values() if shape != wanted}
    return counts.pop() if len(counts) == 1 else 0


def _check_fit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, path: str, hint: str) -> None:
    # Older checkpoints lack the batch counter of the norms, which nothing depends on.
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
    """Why the values cannot be used; empty if they can."""
    if tensor.is_floating_point() != expected.is_floating_point():
        return f"is {tensor.dtype}, not {expected.dtype}"  # integers are meaningless without their scale
    if not torch.isfinite(tensor.to(expected.dtype)).all():
        return f"has values that are not finite in {expected.dtype}"
    return ""
