"""Builds the networks of the zoo by name."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

from edgekit.errors import SpecError, unknown
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
    spec = spec_named(name)
    table = getattr(_paper_module(spec), "published_keys", None)
    if table is None:
        return {}
    known = inspect.signature(table).parameters
    keys: dict[str, str] = table(**{k: v for k, v in {**spec.arguments, **arguments}.items() if k in known})
    return keys


def _paper_module(spec: ModelSpec) -> ModuleType:
    return importlib.import_module(f"edgekit.zoo.{spec.builder.split(':')[0]}")
