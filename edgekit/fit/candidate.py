"""One point of the space: a network, scaled, for one resolution and precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.errors import SpecError, check_types, listed, must_be, unknown
from edgekit.preprocess.spec import Preprocess
from edgekit.zoo.specs import spec_named

PRECISIONS = ("float32", "int8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One point of the space: a network, scaled, for square inputs of one resolution in one precision.

    Attributes:
        network: name of a network in the zoo.
        width_mult: multiplier of the network's own width.
        depth_mult: multiplier of the network's own depth.
        activation: "relu", "relu6", "silu" or "hard_swish" instead of the network's own; "" for its own.
        stem_stride: stride of the stem; None for the network's own.
        stage_strides: stride of each stage; empty for the network's own.
        resolution: height and width of the input in pixels.
        margin: whether images are resized to more than the crop, as the network's published weights expect. Otherwise
            the crop is the whole image, except for its longer edge.
        precision: "float32" or "int8".
        classes: number of classes.
        channels: number of channels of the images: 3 for color, 1 for gray.

    Raises:
        SpecError: a value has the wrong type or is out of range.

    Example:
        >>> from edgekit.fit import Candidate
        >>> candidate = Candidate(network="mobilenet_v2", width_mult=0.5, resolution=160, precision="int8", classes=10)
        >>> candidate.name, candidate.arguments, str(candidate.preprocess.crop)
        ('mobilenet_v2 w0.5 @160 int8', {'width_mult': 0.5}, '160x160')
    """

    network: str
    width_mult: float = 1.0
    depth_mult: float = 1.0
    activation: str = ""
    stem_stride: int | None = None
    stage_strides: tuple[int, ...] = ()
    resolution: int
    margin: bool = True
    precision: str = "float32"
    classes: int
    channels: int = 3

    def __post_init__(self) -> None:
        spec_named(self.network)
        check_types(str, activation=self.activation, precision=self.precision)
        check_types(bool, margin=self.margin)
        if self.stem_stride is not None:
            check_number("stem_stride", self.stem_stride, 1, 2)
        check_types(list | tuple, stage_strides=self.stage_strides)
        for stride in self.stage_strides:
            check_number("stage_strides", stride, 1, 2)
        object.__setattr__(self, "stage_strides", tuple(self.stage_strides))
        for name in ("width_mult", "depth_mult"):
            check_number(name, getattr(self, name), 0.01, 10, kind=int | float)
        for name, most in (("resolution", 4096), ("classes", 1_000_000)):
            check_number(name, getattr(self, name), 1, most)
        if self.precision not in PRECISIONS:
            raise SpecError(unknown("precision", self.precision, PRECISIONS))
        if self.channels not in (1, 3):
            raise SpecError(must_be("channels", "1 or 3", self.channels))

    @property
    def name(self) -> str:
        """What people call it, such as "mobilenet_v2 w0.5 d1.4 relu6 /8 @32 int8"; /8: the input is 8 last grids."""
        parts = [self.network]
        parts += [f"w{self.width_mult:.3g}"] if self.width_mult != 1 else []
        parts += [f"d{self.depth_mult:.3g}"] if self.depth_mult != 1 else []
        parts += [self.activation] if self.activation else []
        if self.stage_strides:
            parts.append(f"/{2 ** [self.stem_stride, *self.stage_strides].count(2)}")
        return " ".join([*parts, f"@{self.resolution}", self.precision])

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the network, for a recipe: whatever differs from its own."""
        own = spec_named(self.network).arguments
        values: dict[str, Any] = {}
        for name, multiplier in (("width_mult", self.width_mult), ("depth_mult", self.depth_mult)):
            if multiplier != 1:
                values[name] = own.get(name, 1.0) * multiplier
        if self.activation:
            values["activation"] = self.activation
        if self.stem_stride is not None:
            values["stem_stride"] = self.stem_stride
        if self.stage_strides:
            values["stage_strides"] = list(self.stage_strides)
        return values

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing of the network's spec at this resolution, with its ratio of resized image to crop."""
        spec = spec_named(self.network).preprocess
        share = spec.resize / spec.crop.height if self.margin and isinstance(spec.resize, int) else 1.0
        changes: dict[str, Any] = {"resize": round(self.resolution * share), "crop": self.resolution}
        if self.channels == 1:  # the means over the colors
            changes |= {"color": "L", "fill": 0, "mean": sum(spec.mean) / 3, "std": sum(spec.std) / 3}
        return spec.with_changes(changes)

    @property
    def architecture(self) -> Hashable:
        """What two candidates have in common whose weights are interchangeable: all but input and precision."""
        return (
            *(self.network, self.width_mult, self.depth_mult, self.activation),
            *(self.stem_stride, self.stage_strides, self.classes, self.channels),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; `from_dict` is the inverse."""
        return dataclasses.asdict(self) | {"stage_strides": list(self.stage_strides)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Candidate:
        """Build a candidate from the values of `to_dict`.

        Args:
            values: the values by their names.

        Raises:
            SpecError: a name is unknown, a required one is missing, or a value is not possible.
        """
        if not isinstance(values, Mapping):
            raise SpecError(must_be("candidate", "names with values", values))
        known = {field.name: field for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise SpecError(f"candidate: {unknown('value', name, known)}")
        missing = [n for n, field in known.items() if n not in values and field.default is dataclasses.MISSING]
        if missing:
            raise SpecError(f"candidate: missing {listed(missing)}")
        return cls(**values)


def check_number(name: str, value: Any, least: float, most: float, *, kind: Any = int) -> None:
    """Check an argument.

    Args:
        name: of the argument.
        value: of the argument.
        least: smallest valid value.
        most: largest valid value.
        kind: types of valid values.

    Raises:
        SpecError: it has another type, or is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        noun = "an integer" if kind is int else "a number"
        raise SpecError(must_be(name, f"{noun} from {least} to {most}", value))
