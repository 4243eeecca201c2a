"""Target processors of int8 models: the integer types that they multiply fast, and where they overflow."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.errors import SpecError, unknown
from edgekit.runtime.cpu import VNNI, machine

ActivationType: TypeAlias = Literal["uint8", "int8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of processor that an int8 model is built for.

    Attributes:
        name: name of the target, as in `edgekit quantize --target`.
        activations: integer type of the activations that it multiplies fast.
        saturating: its instruction adds products in pairs and saturates their sum at 16 bits. The usual remedy is 7-bit
            weights (onnxruntime's reduce_range). Here each channel of weights gets the finest scale at which no pair
            of its own saturates, which is exact and has a resolution between 7 and 8 bits.
        groups_pixels: `passes.group_stem` makes it measurably faster.
    """

    name: str
    activations: ActivationType
    saturating: bool
    groups_pixels: bool = False


# x86 multiplies unsigned activations by signed weights in one instruction; without VNNI (vpdpbusd) that instruction
# (vpmaddubsw) saturates. Arm's dot product needs signed activations. WebAssembly widens to 16 bits before multiplying.
TARGETS = {
    target.name: target
    for target in (
        Target(name="x86-vnni", activations="uint8", saturating=False, groups_pixels=True),
        Target(name="x86-avx2", activations="uint8", saturating=True),
        Target(name="arm64", activations="int8", saturating=False),
        Target(name="web", activations="uint8", saturating=False),
    )
}


def target_named(name: str) -> Target:
    """Look up a target processor.

    Args:
        name: a key of TARGETS: "x86-vnni", "x86-avx2", "arm64" or "web".

    Raises:
        SpecError: the name is unknown; the message suggests close ones.

    Example:
        >>> from edgekit.quantize import target_named
        >>> target_named("arm64").activations
        'int8'
    """
    if not isinstance(name, str) or name not in TARGETS:
        raise SpecError(unknown("target", name, TARGETS))
    return TARGETS[name]


def this_machine() -> Target:
    """The target of this machine's processor; x86 is assumed to lack VNNI if its instruction set cannot be read."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return TARGETS["arm64"]
    return TARGETS["x86-vnni" if VNNI & set(machine()["int8_features"]) else "x86-avx2"]
