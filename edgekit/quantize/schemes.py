"""What is tried, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.artifact.info import Precision
from edgekit.errors import SpecError, unknown
from edgekit.quantize.ranges import Calibrator

Storage: TypeAlias = Literal["integers", "dense-int8", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to make the file smaller.

    storage: "integers" computes with 8-bit weights and activations; "dense-int8" keeps only the weights of the fully
    connected layers in 8 bits; "float16" keeps all weights in 16 bits; both compute in float. per_channel: one scale
    for each output channel of the weights. calibrator: how the activations' ranges follow from what was measured.
    equalize: neighboring layers share their channels' ranges first. correct_bias: the mean error that rounded weights
    make is taken out of the biases. keep_float: share of the layers, the most sensitive ones, that stay in float.
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
        """What the file says of itself."""
        return "float16" if self.storage == "float16" else "int8"


# From the plainest to the most laborious; the two last give up integer arithmetic. Corrected biases cost nothing.
LADDER = (
    Recipe(name="int8", correct_bias=True),
    Recipe(name="int8-mse", calibrator="mse", correct_bias=True),
    Recipe(name="int8-moving-average", calibrator="moving-average", correct_bias=True),
    Recipe(name="int8-percentile", calibrator="percentile", correct_bias=True),
    Recipe(name="int8-entropy", calibrator="entropy", correct_bias=True),
    Recipe(name="int8-equalized", equalize=True, correct_bias=True),
    Recipe(name="int8-mixed-5", correct_bias=True, keep_float=0.05),
    Recipe(name="int8-mixed-20", correct_bias=True, keep_float=0.20),
    Recipe(name="dense-int8", storage="dense-int8"),
    Recipe(name="float16", storage="float16"),
)
# By name only: one scale for a whole layer is what breaks depthwise networks.
_BY_NAME = (
    Recipe(name="int8-uncorrected"),
    Recipe(name="int8-per-tensor", per_channel=False),
    Recipe(name="int8-per-tensor-equalized", per_channel=False, equalize=True, correct_bias=True),
)
RECIPES = {recipe.name: recipe for recipe in (*LADDER, *_BY_NAME)}


def recipe_named(name: str) -> Recipe:
    """Raises SpecError, with close names, for an unknown one."""
    if name not in RECIPES:
        raise SpecError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
