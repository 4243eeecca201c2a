"""Loads weights from a file into a network. Published names are mapped to ours; every mismatch is an error."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.artifact.checkpoint_reader import read_checkpoint
from edgekit.errors import WeightsError, listed
from edgekit.zoo.blocks import Padding, SameConv2d
from edgekit.zoo.build import published_keys, published_padding
from edgekit.zoo.network import Network

_HEAD = "head.fc."
_AUXILIARY = "auxiliary."


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
            unusable tensor. Or its weights were trained with another padding than the network has.

    Example:
        >>> from edgekit.zoo.build import build
        >>> from edgekit.zoo.weights import load_weights
        >>> network = build("resnet18", classes=2)
        >>> load_weights(network, "resnet18.pth", model="resnet18", replace_head=True)  # doctest: +SKIP
        True
    """
    tensors = read_tensors(path)
    expected = network.state_dict()
    published: dict[str, str] = {}  # the file's module paths by ours, for messages
    if not tensors.keys() & expected.keys():
        keys = published_keys(model, **arguments)
        if tensors.keys() & {f"{module}.weight" for module in keys}:
            _check_padding(network, published_padding(model, **arguments), path=os.fspath(path))
        tensors = renamed_tensors(tensors, keys)
        published = {ours: theirs for theirs, ours in keys.items()}
    tensors = {name: t for name, t in tensors.items() if not _is_ignorable(name, t, expected)}
    classes, hint = _classes_of_another_head(tensors, expected), ""
    if classes and replace_head:
        tensors |= {name: tensor for name, tensor in expected.items() if name.startswith(_HEAD)}
    elif classes:
        hint = (
            f"; its head has {classes} classes, so train a new one with `edgekit train` (in Python, replace_head=True)"
        )
    _check_fit(tensors, expected, path=os.fspath(path), published=published, hint=hint)
    network.load_state_dict(tensors, strict=False)  # checked above: only optional tensors may be missing
    return bool(classes) and replace_head


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a weights file as `read_checkpoint` does, as torch tensors, which must not be changed.

    Args:
        path: weights file.

    Returns:
        The tensors by name.

    Raises:
        WeightsError: the file cannot be read, or contains anything but dense tensors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's warning that the arrays are read-only
        # Aligned: in a file, numbers may start at any byte.
        return {name: torch.from_numpy(np.require(a, requirements="A")) for name, a in read_checkpoint(path).items()}


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


def _check_fit(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    *,
    path: str,
    published: Mapping[str, str],
    hint: str,
) -> None:
    """Raise WeightsError if tensors are missing, unknown or unusable, by the names that they have in the file."""

    def spelled(name: str) -> str:
        module, _, parameter = name.rpartition(".")
        return f"{published[module]}.{parameter}" if module in published else name

    # Older checkpoints lack the batch counter of the norms, which nothing depends on.
    required = (n for n in expected if not n.startswith(_AUXILIARY) and not n.endswith("num_batches_tracked"))
    missing = [spelled(n) for n in required if n not in tensors]
    extra = [n for n in tensors if n not in expected]
    shared = {n: (tensors[n], expected[n]) for n in tensors if n in expected}
    misshapen = [
        f"{spelled(n)} is {tuple(t.shape)}, not {tuple(e.shape)}" for n, (t, e) in shared.items() if t.shape != e.shape
    ]
    faults = {n: _value_fault(t, e) for n, (t, e) in shared.items() if t.shape == e.shape}
    unusable = [f"{spelled(n)} {fault}" for n, fault in faults.items() if fault]
    problems = (("missing", missing), ("unknown", extra), ("misshapen", misshapen), ("unusable", unusable))
    summary = "; ".join(f"{len(names)} {kind}: {listed(names)}" for kind, names in problems if names)
    if summary:
        raise WeightsError(f"{path}: does not fit this network: {summary}{hint}")


def _check_padding(network: Network, padding: Padding | None, *, path: str) -> None:
    """Raises WeightsError if the network pads strided convolutions in another way. padding: that of the weights."""
    strided = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.stride[0] > 1 and m.kernel_size[0] > 1]
    other = "symmetric" if padding == "tf_same" else "tf_same"
    if padding is not None and any(isinstance(m, SameConv2d) != (padding == "tf_same") for m in strided):
        raise WeightsError(
            f"{path}: trained with {padding} padding, but the network has {other} padding, with which it would be less "
            f"accurate; set its argument `padding` to {padding}"
        )


def _value_fault(tensor: Tensor, expected: Tensor) -> str:
    """Why the values cannot be used; empty if they can."""
    if tensor.is_floating_point() != expected.is_floating_point():
        return f"is {tensor.dtype}, not {expected.dtype}"  # integers are meaningless without their scale
    if not torch.isfinite(tensor.to(expected.dtype)).all():
        return f"has values that are not finite in {expected.dtype}"
    return ""
