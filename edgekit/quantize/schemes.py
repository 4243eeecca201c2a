"""Quantization schemes: the ways to make a model smaller, and the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.artifact.info import Precision
from edgekit.errors import SpecError, unknown
from edgekit.quantize.ranges import Calibrator

Storage: TypeAlias = Literal["integers", "int8-weights", "dense-int8", "float16", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One way to make a model smaller.

    Attributes:
        name: name of the scheme, as in `edgekit quantize --scheme`.
        storage: "integers" computes with 8-bit weights and activations. "int8-weights" stores all weights in 8 bits,
            "dense-int8" those of large fully connected layers, and "float16" all weights in 16 bits; these compute in
            float32. "unchanged" stores nothing anew.
        per_channel: use one weight scale per output channel, not one per layer.
        calibrator: how the ranges of the activations follow from their statistics.
        equalize: run `passes.equalize` first.
        correct_bias: run `passes.correct_bias`.
        keep_float: fraction of the layers, the most sensitive ones, that stay in float32; 0 to 1.
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
        """The precision recorded in the metadata of the file."""
        return "float16" if self.storage == "float16" else "int8"


# From the simplest to the most expensive; the last two give up integer arithmetic. All integer schemes correct biases,
# because that costs nothing at run time.
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
# The first to be tried where integers are hardly faster than float32; elsewhere it is slow, so it is used only by name.
INT8_WEIGHTS = Scheme(name="int8-weights", storage="int8-weights")
# Used only if asked for by name: one scale for a whole layer ruins the accuracy of depthwise networks.
_BY_NAME = (
    INT8_WEIGHTS,
    Scheme(name="int8-uncorrected"),
    Scheme(name="int8-per-tensor", per_channel=False),
    Scheme(name="int8-per-tensor-equalized", per_channel=False, equalize=True, correct_bias=True),
)
# The only "scheme" for a model that is int8 already: it is compared with the float32 model that it was made from.
UNCHANGED = Scheme(name="unchanged", storage="unchanged")
SCHEMES = {scheme.name: scheme for scheme in (*SEARCH_ORDER, *_BY_NAME)}


def scheme_named(name: str) -> Scheme:
    """Look up a quantization scheme.

    Args:
        name: a key of SCHEMES, e.g. "int8-mse".

    Raises:
        SpecError: the name is unknown; the message suggests close ones.

    Example:
        >>> from edgekit.quantize import scheme_named
        >>> scheme_named("int8-mse").calibrator
        'mse'
    """
    if not isinstance(name, str) or name not in SCHEMES:
        raise SpecError(unknown("scheme", name, SCHEMES))
    return SCHEMES[name]
