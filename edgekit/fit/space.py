"""The candidates: networks of several widths, depths, resolutions, activations and precisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

from edgekit.errors import SpecError, check_types, must_be, unknown
from edgekit.fit.candidate import PRECISIONS, Candidate, check_number
from edgekit.zoo.efficientnet import scaling

RESOLUTIONS = (24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 260)
# From here on, networks keep the strides of their papers, and images are resized with a margin around the crop.
PHOTO_PX = 96
_SMALLEST_GRID, _LARGEST_GRID = 3, 8  # the last one, in small images


class _Scalable(NamedTuple):
    """A network that is scaled.

    stem_stride, stage_strides: the strides from which those of small images are removed.
    grid: the pairs of `width_mult` and `depth_mult`.
    activations: names; "" is the network's own.
    largest: the largest resolution.
    """

    stem_stride: int
    stage_strides: tuple[int, ...]
    grid: tuple[tuple[float, float], ...]
    activations: tuple[str, ...] = ("",)
    largest: int = RESOLUTIONS[-1]


def _grid(widths: Sequence[float], depths: Sequence[float] = (1.0,)) -> tuple[tuple[float, float], ...]:
    return tuple(product(widths, depths))


_PLAIN = ((1.0, 1.0),)
_LINEAR = (1, 2, 2, 2, 1, 2, 1)  # the strides of MobileNetV2's stages, and of EfficientNet's
_MNASNET_WIDTHS = (0.35, 0.5, 0.75, 1.0)
# From networks for microcontrollers to EfficientNet-B3, in steps that change the cost by a factor of 1.4.
_PHIS = tuple(phi / 2 for phi in range(-12, 5))
_COMPOUND, _COMPOUND_PX = "efficientnet_b0", 224

_SCALABLE: Mapping[str, _Scalable] = MappingProxyType(
    {
        "mobilenet_v1": _Scalable(2, (1, 2, 2, 2, 2), _grid((0.25, 0.5, 0.75, 1.0), (0.5, 1.0))),
        "mobilenet_v2": _Scalable(2, _LINEAR, _grid((0.25, 0.35, 0.5, 0.75, 1.0, 1.4), (0.5, 1.0, 1.4))),
        "mobilenet_v3_small": _Scalable(2, (2, 2, 2, 1, 2), _grid((0.5, 0.75, 1.0), (0.6, 1.0)), ("", "relu6")),
        "mobilenet_v3_large": _Scalable(2, (1, 2, 2, 2, 1, 2), _grid((0.35, 0.5, 0.75, 1.0, 1.25)), ("", "relu6")),
        "efficientnet_b0": _Scalable(2, _LINEAR, _grid(_MNASNET_WIDTHS, (0.5, 1.0, 1.4)), ("", "hard_swish", "relu6")),
        "efficientnet_b1": _Scalable(2, _LINEAR, _PLAIN),
        "efficientnet_b2": _Scalable(2, _LINEAR, _PLAIN),
        "efficientnet_lite0": _Scalable(2, _LINEAR, _grid((*_MNASNET_WIDTHS, 1.2), (0.5, 1.0, 1.4))),
        "efficientnet_lite1": _Scalable(2, _LINEAR, _PLAIN),
        "efficientnet_lite2": _Scalable(2, _LINEAR, _PLAIN),
        "resnet18": _Scalable(2, (2, 2, 2, 2), _grid((0.25, 0.5, 0.75, 1.0), (0.5, 1.0))),
        "resnet34": _Scalable(2, (2, 2, 2, 2), _grid((0.5, 1.0))),
        "resnet50": _Scalable(2, (2, 2, 2, 2), _grid((0.25, 0.5, 1.0))),
        "resnet20": _Scalable(2, (2, 2, 2), _grid((0.5, 1.0, 2.0), (0.3, 1.0, 2.0)), largest=PHOTO_PX - 1),
    }
)
NETWORKS: tuple[str, ...] = tuple(_SCALABLE)
# Beginnings of names that stand for all networks with them.
FAMILIES = ("mobilenet", "mobilenet_v3", "efficientnet", "efficientnet_lite", "resnet")


def candidates(
    *,
    classes: int,
    image_size: int,
    channels: int = 3,
    networks: Sequence[str] = (),
    precisions: Sequence[str] = PRECISIONS,
) -> tuple[Candidate, ...]:
    """List the candidates for images of one size: about 2,000 if all networks are allowed.

    Resolutions are those of `RESOLUTIONS` from three quarters to twice the shorter edge of the images, because networks
    gain from small images that are enlarged; for photos, all from 96 to 260.

    Strides: from 96 pixels on, networks keep their own, by which the last grid is 1/32 of the resolution: 3x3 at 96.
    Below, the stem's stride becomes 1 first, then those of the stages other than the last two, from the back; so the
    strides that remain are spread over the depth. Of these forms, those are candidates whose last grid has 3 to 8
    positions a side: at 32 pixels, 4x4 with three strides and 8x8 with two.

    EfficientNet-B0 is also scaled by the compound rule, see `compound`.

    Args:
        classes: number of classes.
        image_size: typical shorter edge of the images in pixels.
        channels: number of channels of the images, 1 or 3.
        networks: names of `NETWORKS` and `FAMILIES`, such as "resnet18" or "efficientnet"; all networks by default.
        precisions: "float32", "int8" or both.

    Returns:
        The candidates, each once, in an order that depends on the arguments only.

    Raises:
        SpecError: a network or precision is unknown, or a number is out of range.

    Example:
        >>> from edgekit.fit.space import candidates
        >>> for candidate in candidates(classes=10, image_size=32, networks=["resnet20"], precisions=["int8"])[:3]:
        ...     print(candidate.name)
        resnet20 w0.5 d0.3 /8 @24 int8
        resnet20 w0.5 d0.3 /4 @24 int8
        resnet20 w0.5 d0.3 /8 @32 int8
    """
    check_number("image_size", image_size, 1, 1_000_000)
    check_types(list | tuple, networks=networks, precisions=precisions)
    if not precisions:
        raise SpecError(must_be("precisions", "one or more of float32 and int8", precisions))
    resolutions, found = _resolutions(image_size), []
    for network in _networks(networks):
        plain = Candidate(
            network=network,
            resolution=resolutions[0],
            margin=image_size >= PHOTO_PX,
            classes=classes,
            channels=channels,
        )
        for form in _forms(plain, resolutions, base=min(image_size, _COMPOUND_PX)):
            found += [dataclasses.replace(form, precision=precision) for precision in precisions]
    return tuple(dict.fromkeys(found))


def compound(phi: float, template: Candidate, *, base: int = _COMPOUND_PX) -> Candidate:
    """Scale EfficientNet-B0 by the compound rule (Tan and Le 2019, arXiv 1905.11946, section 3.3, equation 3).

    Depth, width and resolution grow as 1.2^phi, 1.1^phi and 1.15^phi. phi may be fractional, or negative for less.

    Args:
        phi: compound coefficient, -10 to 10; 0 is EfficientNet-B0.
        template: whatever the rule does not decide: precision, activation, classes and so on.
        base: resolution of phi = 0 in pixels, which is 224 in the paper.

    Returns:
        The scaled network. Below 96 pixels, its strides are those of `candidates` with the smallest last grid.

    Raises:
        SpecError: `phi` is out of range.

    Example:
        >>> from edgekit.fit.candidate import Candidate
        >>> from edgekit.fit.space import compound
        >>> compound(-0.5, Candidate(network="efficientnet_b0", resolution=224, classes=10)).name
        'efficientnet_b0 w0.953 d0.913 @209 float32'
    """
    check_types(Candidate, template=template)
    check_number("base", base, 1, 4096)
    check_number("phi", phi, -10, 10, kind=int | float)
    width_mult, depth_mult, pixels = scaling(phi)
    resolution = round(pixels * base / _COMPOUND_PX)
    stem_stride, stage_strides = _strides(_SCALABLE[_COMPOUND], resolution)[0]
    return dataclasses.replace(
        template,
        network=_COMPOUND,
        width_mult=width_mult,
        depth_mult=depth_mult,
        resolution=resolution,
        stem_stride=stem_stride,
        stage_strides=stage_strides,
    )


def _forms(plain: Candidate, resolutions: Sequence[int], *, base: int) -> Iterator[Candidate]:
    """A network in every width, depth, activation, resolution and stride of the space, in float32."""
    row = _SCALABLE[plain.network]
    for (width_mult, depth_mult), activation in product(row.grid, row.activations):
        for resolution in (pixels for pixels in resolutions if pixels <= row.largest):
            for stem_stride, stage_strides in _strides(row, resolution):
                yield dataclasses.replace(
                    plain,
                    width_mult=width_mult,
                    depth_mult=depth_mult,
                    activation=activation,
                    resolution=resolution,
                    stem_stride=stem_stride,
                    stage_strides=stage_strides,
                )
    if plain.network == _COMPOUND:
        scaled = (compound(phi, plain, base=base) for phi in _PHIS)
        yield from (candidate for candidate in scaled if resolutions[0] <= candidate.resolution)


def _resolutions(image_size: int) -> tuple[int, ...]:
    """The resolutions for images of this size; at least the smallest one."""
    smallest, largest = min(0.75 * image_size, PHOTO_PX), 2 * image_size
    return tuple(pixels for pixels in RESOLUTIONS if smallest <= pixels <= largest) or RESOLUTIONS[:1]


def _strides(row: _Scalable, resolution: int) -> list[tuple[int | None, tuple[int, ...]]]:
    """The strides of the stem and the stages at a resolution, smallest last grid first; see `candidates`."""
    if resolution >= PHOTO_PX:
        return [(None, ())]
    forms: list[tuple[int | None, tuple[int, ...]]] = []
    strides = [row.stem_stride, *row.stage_strides]
    strided = [place for place, stride in enumerate(strides) if stride == 2]
    for place in [None, 0, *reversed(strided[1:-2])]:
        if place is not None:
            strides[place] = 1
        grid = resolution / 2 ** strides.count(2)
        if _SMALLEST_GRID <= grid <= _LARGEST_GRID:
            forms.append((strides[0], tuple(strides[1:])))
    return forms or [(strides[0], tuple(strides[1:]))]  # below 12 pixels, every grid is smaller


def _networks(names: Sequence[object]) -> list[str]:
    """The networks of these names, each once; all of a family for its name, and all that there are for no names."""
    found: list[str] = []
    for name in names:
        if not isinstance(name, str) or name not in (*NETWORKS, *FAMILIES):
            raise SpecError(unknown("network", name, (*NETWORKS, *FAMILIES)))
        found += [name] if name in NETWORKS else [network for network in NETWORKS if network.startswith(name)]
    return list(dict.fromkeys(found)) or list(NETWORKS)
