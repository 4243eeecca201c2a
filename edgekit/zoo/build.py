"""From a name to a network."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from edgekit.errors import SpecError, unknown
from edgekit.specs import spec_named
from edgekit.zoo.network import Network


def build(name: str, **arguments: Any) -> Network:
    """The network of that spec, randomly initialized by torch's generator, in training mode.

    arguments: keyword arguments of its builder, over those of the spec. Raises SpecError for an unknown network or an
    argument that its builder does not take.
    """
    spec = spec_named(name)
    module, function = spec.builder.split(":")
    builder = getattr(importlib.import_module(f"edgekit.zoo.{module}"), function)
    known = inspect.signature(builder).parameters
    for argument in arguments:
        if argument not in known:
            raise SpecError(f"{name}: {unknown('argument', argument, known)}")
    network: Network = builder(**{**spec.arguments, **arguments})
    return network
