"""Sizes and offsets: how large the whole image becomes, and where a crop of it begins. No pixels."""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeAlias

from edgekit.image.size import Size

ResizeFit: TypeAlias = Literal["short-edge", "cover", "squash", "letterbox"]
Offset: TypeAlias = Literal["round", "floor"]


class Geometry(Protocol):
    """The part of a Preprocess that decides the geometry; its docstring has the meaning of the fields."""

    @property
    def fit(self) -> ResizeFit: ...
    @property
    def resize(self) -> int | Size: ...
    @property
    def pad(self) -> int: ...
    @property
    def crop(self) -> Size: ...
    @property
    def offset(self) -> Offset: ...


def resized_size(size: Size, geometry: Geometry, *, zoom: float = 1.0) -> Size:
    """The size of the whole image after resizing, by the preprocessing's own fit.

    With fit short-edge, an image that the crop does not fit into even with the padding (the crop is not square, or is
    larger than `resize`) is enlarged until it does. With fits cover and squash, a zoom below 1 does not make the image
    smaller than the crop, because such networks have not seen what would surround it.

    Args:
        size: size of the upright image.
        geometry: the model's Preprocess.
        zoom: factor on its `resize`, above 0.
    """
    resize = geometry.resize
    if not isinstance(resize, Size):
        return _short_edge_size(size, geometry, round(resize * zoom))
    target = Size(*(max(1, round(extent * zoom)) for extent in resize))
    if geometry.fit == "letterbox":
        return inner_size(size, target)
    if zoom < 1:
        plain = resized_size(size, geometry)
        target = Size(*map(max, target, map(min, plain, content_size(geometry))))
    return target if geometry.fit == "squash" else _outer_size(size, target)


def inner_size(size: Size, target: Size) -> Size:
    """The largest size within `target` that has the proportions of `size`, its sides rounded to the nearest integer."""
    return _divided(size, max(size.height / target.height, size.width / target.width))


def _outer_size(size: Size, target: Size) -> Size:
    return _divided(size, min(size.height / target.height, size.width / target.width))


def _divided(size: Size, ratio: float) -> Size:
    """Each side divided in double precision and rounded half to even, at least 1."""
    return Size(*(max(1, round(extent / ratio)) for extent in size))


def covering_size(size: Size, content: Size) -> Size:
    """The smallest size with the proportions of `size` that fills `content`, rounded up."""
    return _enlarged(size, *max(zip(content, size, strict=True), key=_ratio))


def content_size(geometry: Geometry) -> Size:
    """The part of the crop that the padding leaves to the image."""
    return Size(*(max(1, extent - 2 * geometry.pad) for extent in geometry.crop))


def crop_offset(room: int, share: float, geometry: Geometry) -> int:
    """Where a crop begins along one axis.

    Args:
        room: how much longer the padded image is than the crop, in pixels; negative if it is shorter.
        share: position of the crop, from 0 (top or left) to 1 (bottom or right).
        geometry: the model's Preprocess.
    """
    if room < 0 and geometry.fit != "short-edge":
        return room // 2 if geometry.offset == "floor" else -(-room // 2)  # in the middle, whatever the share
    return math.floor(room * share) if geometry.offset == "floor" else round(room * share)


def _short_edge_size(size: Size, geometry: Geometry, edge: int) -> Size:
    short = min(size)
    resized = Size(*(edge * extent // short for extent in size))
    missing = [(crop - 2 * geometry.pad, extent) for crop, extent in zip(geometry.crop, resized, strict=True)]
    if all(needed <= extent for needed, extent in missing):
        return resized
    return _enlarged(resized, *max(missing, key=_ratio))


def _ratio(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1]


def _enlarged(size: Size, needed: int, extent: int) -> Size:
    """`size` times needed / extent, in exact fractions and rounded up, so that the crop is covered."""
    return Size(*(-(-side * needed // extent) for side in size))
