"""The zoo as data: every network's name, builder, arguments, preprocessing, size and paper. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

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


class _Paper(NamedTuple):
    """What the networks of one paper share: where it is, and how ours differ from it and why."""

    citation: str
    departures: str = ""


def _spec(
    name: str,
    module: str,
    preprocess: Preprocess,
    parameters: int,
    macs: int,
    paper: _Paper,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> ModelSpec:
    """One row of the table below; a network's function has its name, unless "module:function" says another."""
    return ModelSpec(
        name=name,
        builder=module if ":" in module else f"{module}:{name}",
        preprocess=preprocess,
        parameters=parameters,
        macs=macs,
        paper=paper.citation,
        arguments=MappingProxyType(dict(arguments)),
        departures=paper.departures,
    )


_LENET = _Paper(
    "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition",
    "full connections in C3 and a linear output with softmax, as everywhere since",
)
_MOBILENET_V2 = _Paper("Sandler et al. 2018, arXiv 1801.04381")

# How the pictures come to the published weights of each network, or as in its paper where there are none.
_DIGITS = Preprocess(color="L", resize=28, pad=2, crop=Size(32, 32), mean=(0.1307,), std=(0.3081,))
_IMAGENET = Preprocess(resize=256, crop=Size(224, 224))

# fmt: off
_TABLE = (
    #     name                  module          preprocess   parameters            macs  paper
    _spec("lenet5",             "lenet5",       _DIGITS,         61_706,        416_520, _LENET),
    _spec("mobilenet_v2",       "mobilenet_v2", _IMAGENET,    3_504_872,    300_774_272, _MOBILENET_V2),
)
# fmt: on

SPECS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _TABLE})


def spec_named(name: str) -> ModelSpec:
    """The spec of that name. Raises SpecError naming close ones."""
    if name not in SPECS:
        raise SpecError(unknown("network", name, SPECS))
    return SPECS[name]
