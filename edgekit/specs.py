"""The zoo as data: every network's name, builder, arguments, preprocessing, size and paper. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from edgekit.errors import SpecError, unknown
from edgekit.image import Size
from edgekit.preprocess import Preprocess


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One network. `parameters` and `macs` are of its default form at its default input (tests recount them).

    builder: "module:function" under edgekit.zoo; arguments: its keyword arguments. departures: how and why the network
    differs from its paper.
    """

    name: str
    builder: str
    preprocess: Preprocess
    parameters: int
    macs: int
    paper: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    departures: str = ""

    @property
    def input(self) -> Size:
        """The default input's Size(height, width)."""
        return self.preprocess.crop


SPECS: Mapping[str, ModelSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec(
                name="lenet5",
                builder="lenet5:lenet5",
                preprocess=Preprocess(color="L", resize=28, pad=2, crop=Size(32, 32), mean=(0.1307,), std=(0.3081,)),
                parameters=61_706,
                macs=416_520,
                paper="LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
                departures="full connections in C3 and a linear output with softmax, as everywhere since",
            ),
            ModelSpec(
                name="mobilenet_v2",
                builder="mobilenet_v2:mobilenet_v2",
                preprocess=Preprocess(resize=256, crop=Size(224, 224)),
                parameters=3_504_872,
                macs=300_774_272,
                paper="Sandler et al. 2018, arXiv 1801.04381",
            ),
        )
    }
)


def spec_named(name: str) -> ModelSpec:
    """The spec of that name. Raises SpecError naming close ones."""
    if name not in SPECS:
        raise SpecError(unknown("network", name, SPECS))
    return SPECS[name]
