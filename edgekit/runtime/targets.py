"""Target processors of int8 models: the integer types that they multiply fast, and where they overflow."""

from __future__ import annotations

import platform
from typing import Literal, NamedTuple, TypeAlias

from edgekit.errors import SpecError, quote, unknown
from edgekit.runtime.cpu import VNNI, int8_features

ActivationType: TypeAlias = Literal["uint8", "int8"]
Platform: TypeAlias = Literal["python", "web", "android", "ios"]


class Target(NamedTuple):
    """A kind of processor that an int8 model is built for.

    Attributes:
        name: name of the target, as in `edgekit quantize --target`.
        activations: integer type of the activations that it multiplies fast.
        saturating: its instruction adds products in pairs and saturates their sum at 16 bits. The usual remedy is 7-bit
            weights (onnxruntime's reduce_range). Here each channel of weights gets the finest scale at which no pair
            of its own saturates, which is exact and has a resolution between 7 and 8 bits.
        groups_pixels: `passes.group_stem` makes it measurably faster.
        float_depthwise: integer kernels of depthwise layers are slower there than those of float32, so these layers
            stay in float32.
    """

    name: str
    activations: ActivationType
    saturating: bool
    groups_pixels: bool = False
    float_depthwise: bool = False


# x86 multiplies unsigned activations by signed weights in one instruction; without VNNI (vpdpbusd) that instruction
# (vpmaddubsw) saturates. Arm's dot product needs signed activations. WebAssembly widens to 16 bits before multiplying:
# ResNet-18 still takes 0.4 of float32's time, but depthwise layers more than twice as long (docs/decisions.md).
TARGETS = {
    target.name: target
    for target in (
        Target(name="x86-vnni", activations="uint8", saturating=False, groups_pixels=True),
        Target(name="x86-avx2", activations="uint8", saturating=True),
        Target(name="arm64", activations="int8", saturating=False),
        Target(name="web", activations="uint8", saturating=False, float_depthwise=True),
    )
}


class Device(NamedTuple):
    """A device that people name in place of a target.

    Attributes:
        target: name of its target.
        platform: what `edgekit bundle --for` makes for it.
    """

    target: str
    platform: Platform


# The Cortex-A72 of a Raspberry Pi 4 has no dot product. onnxruntime's kernels for such processors multiply signed
# bytes, even where activations are unsigned, so it is arm64 as well; int8 gains less there. Every x86 computes what is
# built for x86-avx2 exactly.
DEVICES = {
    "android": Device("arm64", "android"),
    "apple-silicon": Device("arm64", "python"),
    "browser": Device("web", "web"),
    "iphone": Device("arm64", "ios"),
    "jetson-cpu": Device("arm64", "python"),
    "raspberry-pi-4": Device("arm64", "python"),
    "raspberry-pi-5": Device("arm64", "python"),
    "x86": Device("x86-avx2", "python"),
}


def target_named(name: str) -> Target:
    """Look up a target processor.

    Args:
        name: a key of TARGETS ("x86-vnni", "x86-avx2", "arm64" or "web") or of DEVICES, such as "raspberry-pi-5".

    Raises:
        SpecError: the name is unknown; the message suggests close ones.

    Example:
        >>> from edgekit.quantize import target_named
        >>> target_named("arm64").activations
        'int8'
        >>> target_named("raspberry-pi-5").name
        'arm64'
    """
    if isinstance(name, str) and name in DEVICES:
        return TARGETS[DEVICES[name].target]
    if not isinstance(name, str) or name not in TARGETS:
        raise SpecError(unknown("target", name, (*TARGETS, *DEVICES)))
    return TARGETS[name]


def bundle_platform(name: str) -> Platform:
    """What `edgekit bundle --for` makes for a key of TARGETS or DEVICES."""
    return DEVICES[name].platform if name in DEVICES else "web" if name == "web" else "python"


def this_machine() -> Target:
    """The target of this machine's processor; x86 is assumed to lack VNNI if its instruction set cannot be read."""
    if _is_arm():
        return TARGETS["arm64"]
    return TARGETS["x86-vnni" if VNNI & set(int8_features()) else "x86-avx2"]


def is_measured_here(target: Target) -> bool:
    """Whether the speed of a model for this target can be measured on this machine: it has such a processor."""
    here = this_machine()
    return here is target or (here.name, target.name) == ("x86-vnni", "x86-avx2")


def session_settings(target: str | None) -> dict[str, str]:
    """The settings of onnxruntime with which this processor computes an .onnx file as its target does.

    On x86, onnxruntime would turn only some signed activations into unsigned ones, and compute the other layers in
    float32. Without VNNI it would let sums saturate, unless weights are scaled for that (`Target.saturating`).

    Args:
        target: as in `ArtifactInfo.target`.
    """
    if has_signed_activations(target):
        return {"session.qdqisint8allowed": "1"}
    return {"session.x64quantprecision": "1"} if _would_saturate(target) else {}


def has_signed_activations(target: str | None) -> bool:
    """Whether the activations of files for this target are signed bytes. target: None for a file without one."""
    return target in TARGETS and TARGETS[target].activations == "int8"


def is_timed_here(target: str | None) -> bool:
    """Whether timings of a file for this target mean anything on this machine.

    On x86, signed activations are computed exactly as on Arm, but by generic code that no device would run.
    """
    return _is_arm() or not has_signed_activations(target)


def speed_warning(target: str | None) -> str | None:
    """A warning if this processor computes files for this target exactly, but slowly; else None."""
    if is_timed_here(target) and not _would_saturate(target):
        return None
    return (
        f"made for the target {quote(target)}, which this processor computes exactly, but slowly; quantize the float32 "
        f"model for {this_machine().name}"
    )


def _would_saturate(target: str | None) -> bool:
    """Whether sums of files for this target could saturate on this processor; False if its instructions are unknown."""
    if target not in TARGETS or TARGETS[target].saturating:
        return False
    features = set(int8_features())
    return "avx2" in features and not VNNI & features


def _is_arm() -> bool:
    return platform.machine().lower() in ("arm64", "aarch64")
