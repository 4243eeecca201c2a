"""The processors that an int8 file is made for: which integers they multiply fast, and without overflow."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.errors import SpecError, unknown
from edgekit.runtime.cpu import VNNI, machine

ActivationType: TypeAlias = Literal["uint8", "int8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A processor. activations: the integers that it multiplies fast.

    saturating: it adds products in pairs, and the sum of two ends at 16 bits. The usual remedy is weights of 7 bits
    (onnxruntime's reduce_range); here each channel of weights is as fine as its own pairs allow: exact, and between 7
    bits and 8. groups_pixels: it measurably gains from `passes.group_stem`.
    """

    name: str
    activations: ActivationType
    saturating: bool
    groups_pixels: bool = False


# Unsigned activations are what x86 multiplies with signed weights in one instruction; without VNNI (vpdpbusd) that
# instruction (vpmaddubsw) saturates. Arm's dot product takes signed ones. WebAssembly widens to 16 bits before it
# multiplies.
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
    """The target of that name. Raises SpecError, with close names, for an unknown one."""
    if name not in TARGETS:
        raise SpecError(unknown("target", name, TARGETS))
    return TARGETS[name]


def this_machine() -> Target:
    """The target that this machine is; an x86 processor whose instructions cannot be read counts as without VNNI."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return TARGETS["arm64"]
    return TARGETS["x86-vnni" if VNNI & set(machine()["int8_features"]) else "x86-avx2"]
