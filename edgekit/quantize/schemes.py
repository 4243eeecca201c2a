"""The ways in which quantization can make a file smaller, and the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.artifact.info import Precision
from edgekit.errors import SpecError, unknown
from edgekit.quantize.ranges import Calibrator

Storage: TypeAlias = Literal["integers", "dense-int8", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way to make the file smaller.

    storage: "integers" computes with 8-bit weights and activations; "dense-int8" stores only the weights of the fully
    connected layers in 8 bits; "float16" stores all weights in 16 bits; both compute in float. per_channel: one scale
    for each output channel of the weights. calibrator: how the activations' ranges follow from their statistics.
    equalize: run `passes.equalize` first. correct_bias: run `passes.correct_bias`. keep_float: share of the layers, the
    most sensitive ones, that stay in float.
    """

    name: str
    storage: Storage = "integers"
    per_channel: bool = True
    calibrator: Calibrator = "minmax"
    equalize: bool = False
    correct_bias: bool = False
    keep_float: float = 0.0

    @property
    def precision(self) -> Precision:
        """The precision that the file states."""
        return "float16" if self.storage == "float16" else "int8"


# From the plainest to the most laborious; the last two give up integer arithmetic. Corrected biases cost nothing.
SEARCH_ORDER = (
    Scheme(name="int8", correct_bias=True),
    Scheme(name="int8-mse", calibrator="mse", correct_bias=True),
    Scheme(name="int8-moving-average", calibrator="moving-average", correct_bias=True),
    Scheme(name="int8-percentile", calibrator="percentile", correct_bias=True),
    Scheme(name="int8-entropy", calibrator="entropy", correct_bias=True),
    Scheme(name="int8-equalized", equalize=True, correct_bias=True),
    Scheme(name="int8-mixed-5", correct_bias=True, keep_float=0.05),
    Scheme(name="int8-mixed-20", correct_bias=True, keep_float=0.20),
    Scheme(name="dense-int8", storage="dense-int8"),
    Scheme(name="float16", storage="float16"),
)
# By name only: one scale for a whole layer is what breaks depthwise networks.
_BY_NAME = (
    Scheme(name="int8-uncorrected"),
    Scheme(name="int8-per-tensor", per_channel=False),
    Scheme(name="int8-per-tensor-equalized", per_channel=False, equalize=True, correct_bias=True),
)
SCHEMES = {scheme.name: scheme for scheme in (*SEARCH_ORDER, *_BY_NAME)}


def scheme_named(name: str) -> Scheme:
    """The scheme of that name. Raises SpecError, with close names, for an unknown one."""
    if name not in SCHEMES:
        raise SpecError(unknown("scheme", name, SCHEMES))
    return SCHEMES[name]
