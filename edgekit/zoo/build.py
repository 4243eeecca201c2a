"""From a name to a network."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

from edgekit.errors import SpecError, unknown
from edgekit.zoo.network import Network
from edgekit.zoo.specs import ModelSpec, spec_named


def build(name: str, **arguments: Any) -> Network:
    """The network of that spec, randomly initialized by torch's generator, in training mode.

    arguments: keyword arguments of its builder, over those of the spec. Raises SpecError for an unknown network or an
    argument that its builder does not accept.
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
    """The module paths of the published PyTorch checkpoint of that network, each with ours.

    Empty if its paper's file has no such table. arguments: as for build; those that no key depends on are ignored.
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
