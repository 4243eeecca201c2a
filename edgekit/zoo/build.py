"""Builds the networks of the zoo by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeAlias

from edgekit.errors import SpecError, must_be, unknown
from edgekit.zoo.blocks import Padding
from edgekit.zoo.network import Network
from edgekit.zoo.specs import ModelSpec, spec_named

# What arguments of these names may be, in all networks; the builders check what else they need. Twice the largest
# published multipliers, and far more classes and channels than any data set has.
_BOUNDS = {
    "classes": (1, 1_000_000),
    "in_channels": (1, 1_000),
    "input": (1, 10_000),
    "groups": (1, 2),
    "depth": (1, 2_000),
    "width_mult": (0.001, 10),
    "depth_mult": (0.001, 10),
    "dropout": (0, 1),
    "drop_path": (0, 1),
    "norm_eps": (0, 1),
    "norm_momentum": (0, 1),
}
# By annotation: what messages call a value, its types, and those of its elements.
_Kind: TypeAlias = tuple[str, tuple[type, ...], type | None]
_NAME: _Kind = ("a name", (str,), str)
_KINDS: dict[str, _Kind] = {
    "bool": ("true or false", (bool,), None),
    "int": ("an integer", (int,), None),
    "float": ("a number", (int, float), None),
    "Sequence[int]": ("a list of integers", (list, tuple), int),
    "str | Sequence[str]": ("a name or a list of names", (str, list, tuple), str),
}


def build(name: str, **arguments: Any) -> Network:
    """Build a network of the zoo.

    Args:
        name: name of the network, e.g. "mobilenet_v2"; see `edgekit models`.
        **arguments: arguments of the function that builds it, e.g. `classes` or `width_mult`; they override those of
            the network's spec.

    Returns:
        The network in training mode, randomly initialized with torch's global generator.

    Raises:
        SpecError: the network or an argument is unknown, or a value is not valid.

    Example:
        >>> from edgekit.zoo.build import build
        >>> network = build("mobilenet_v2", classes=10, width_mult=0.5)
        >>> network.head.fc.out_features
        10
    """
    spec = spec_named(name)
    builder = getattr(_paper_module(spec), spec.builder.split(":")[1])
    known = inspect.signature(builder).parameters
    for argument in arguments:
        if argument not in known:
            raise SpecError(f"{name}: {unknown('argument', argument, known)}")
        _check(argument, known[argument].annotation, arguments[argument])
    network: Network = builder(**{**spec.arguments, **arguments})
    return network


def _check(argument: str, annotation: str, value: Any) -> None:
    """Check the type of an argument and the range of a number; everything else is left to the builders."""
    noun, types, element = _KINDS.get(annotation, _NAME)
    is_valid = isinstance(value, types) and (annotation == "bool" or not isinstance(value, bool))
    if is_valid and element is not None:
        is_valid = all(isinstance(entry, element) for entry in value)
    if argument in _BOUNDS:
        least, most = _BOUNDS[argument]
        noun, is_valid = f"{noun} from {least} to {most}", is_valid and least <= value <= most
    if not is_valid:
        raise SpecError(must_be(argument, noun, value))


def published_keys(name: str, **arguments: Any) -> dict[str, str]:
    """Map the module paths of a network's published PyTorch checkpoint to those of the network.

    Args:
        name: name of the network.
        **arguments: arguments that it was built with; those that the paths do not depend on are ignored.

    Returns:
        The network's path for each published path; empty if no checkpoint was published.

    Raises:
        SpecError: the network is unknown.
    """
    keys: dict[str, str] = _from_paper(name, "published_keys", arguments) or {}
    return keys


def published_padding(name: str, **arguments: Any) -> Padding | None:
    """Return the padding that weights with the module paths of `published_keys` were trained with.

    Their normalization, interpolation and size are those of the network's spec.

    Args:
        name: name of the network.
        **arguments: arguments that it was built with, as in `published_keys`.

    Returns:
        "symmetric" or "tf_same"; None if there are such weights of both kinds, or none.

    Raises:
        SpecError: the network is unknown.
    """
    padding: Padding | None = _from_paper(name, "published_padding", arguments)
    return padding


def _from_paper(name: str, function: str, arguments: Mapping[str, Any]) -> Any:
    """What a function of the network's module returns for those arguments that it accepts; None if there is none."""
    spec = spec_named(name)
    table = getattr(_paper_module(spec), function, None)
    if table is None:
        return None
    known = inspect.signature(table).parameters
    return table(**{k: v for k, v in {**spec.arguments, **arguments}.items() if k in known})


def _paper_module(spec: ModelSpec) -> ModuleType:
    return importlib.import_module(f"edgekit.zoo.{spec.builder.split(':')[0]}")
