"""Builds the networks of the zoo by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from edgekit.errors import SpecError, unknown
from edgekit.zoo.blocks import Padding
from edgekit.zoo.network import Network
from edgekit.zoo.specs import ModelSpec, spec_named


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
    network: Network = builder(**{**spec.arguments, **arguments})
    return network


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
