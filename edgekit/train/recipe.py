"""How a model is trained, as data: what recipe.toml contains and the command line overrides."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgekit.errors import DataError, SpecError, unknown
from edgekit.preprocess.spec import Preprocess
from edgekit.train.settings import TUNES, Augment, Choices, Optimize, check_name
from edgekit.zoo.specs import spec_named

_Section = TypeVar("_Section")
_SECTIONS = ("arguments", "preprocess", "augment", "optimize")

# Defaults by `tune`. Transfer learning needs few epochs and small rates.
_FINE_TUNING: dict[str, Any] = {
    "epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.01,
    "weight_decay": 1e-4,
    "label_smoothing": 0.1,
    "ema_decay": 0.9,  # of some ten steps: there are only so many
}
_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "scratch": {"optimize": {}, "augment": {}},
    "head": {
        "optimize": {"epochs": 40, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 1e-3, "warmup_epochs": 0},
        "augment": {},
    },
    "partial": {"optimize": _FINE_TUNING | {"backbone_rate": 0.05}, "augment": {"crop_scale": (0.4, 1.0)}},
    # With 0.05, 245 images of ants and bees ended 4 points lower.
    "full": {
        "optimize": _FINE_TUNING | {"backbone_rate": 0.01, "layer_decay": 0.9},
        "augment": {"crop_scale": (0.4, 1.0)},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Choices):
    """Everything that decides the weights, except the images and the machine."""

    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    preprocess: Preprocess
    augment: Augment = field(default_factory=Augment)
    optimize: Optimize = field(default_factory=Optimize)

    def __post_init__(self) -> None:
        Choices.__post_init__(self)  # not super(): a slotted dataclass is a second class, which super does not know
        self._check_crops()

    def _check_crops(self) -> None:
        """A random crop must overlap the image, and fit the network that is evaluated at the full crop."""
        full_crop = min(self.preprocess.crop)
        if self.augment.crop_padding >= full_crop:
            raise SpecError(f"crop_padding {self.augment.crop_padding} must be below the crop, {self.preprocess.crop}")
        for _, crop in self.augment.progressive:
            if not self.augment.crop_padding < crop <= full_crop:
                raise SpecError(f"progressive: {crop} pixels do not lie between crop_padding and the crop, {full_crop}")

    @property
    def network_arguments(self) -> dict[str, Any]:
        """What the network is built with: `arguments`, and the channels of the images."""
        return {"in_channels": self.preprocess.channels} | self.arguments

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return dataclasses.asdict(self) | {"preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """From to_dict's values, or some of them over the defaults of the spec and of `tune`.

        Color images are mirrored unless `augment.mirror` is false, gray ones (digits) only if it is true.
        Raises SpecError, DataError.
        """
        _check_structure(values)
        if "model" not in values:
            raise DataError('recipe: says no model; add model = "NAME"')
        spec = spec_named(values["model"])
        preprocess = Preprocess.from_dict(spec.preprocess.to_dict() | values.get("preprocess", {}))
        tune = values.get("tune", "scratch")
        check_name("tune", tune, TUNES)
        augment = {"mirror": preprocess.color == "RGB"} | _DEFAULTS[tune]["augment"]
        if values.get("augment", {}).get("crop_padding"):  # the other kind of random crop
            augment.pop("crop_scale", None)
        augment |= values.get("augment", {})
        sections = {
            "preprocess": preprocess,
            "augment": _build_section(Augment, "augment", augment),
            "optimize": _build_section(Optimize, "optimize", _DEFAULTS[tune]["optimize"] | values.get("optimize", {})),
        }
        return cls(**{**values, **sections})


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe of a .toml file. Raises DataError naming the file."""
    values = read_values(path)
    try:
        return Recipe.from_dict(values)
    except (DataError, SpecError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None


def read_values(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The values in a recipe's .toml file, defaults not filled in. Raises DataError naming the file."""
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
        _check_structure(values)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{os.fspath(path)}: not a TOML file: {error}") from None
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from None
    return values


def _check_structure(values: Mapping[str, Any]) -> None:
    """Raises DataError for an entry that no recipe has, and for text or a number in place of a [section]."""
    known = _field_names(Recipe)
    for name, value in values.items():
        for section, kind in (("optimize", Optimize), ("augment", Augment)):
            if name not in known and name in _field_names(kind):
                raise DataError(f"recipe: {name} belongs under [{section}]")
        if name not in known:
            raise DataError(f"recipe: {unknown('entry', name, known)}")
        if name in _SECTIONS and not isinstance(value, Mapping):
            raise DataError(f"recipe: {name} must be a section, [{name}], not {value!r:.100}")
    for name in ("model", "tune"):  # looked up before a recipe is made
        if not isinstance(values.get(name, ""), str):
            raise DataError(f"recipe: {name} must be a text, not {values[name]!r:.100}")


def to_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults written out, as read_recipe reads it."""
    plain = {name: value for name, value in recipe.to_dict().items() if value is not None}
    sections = {name: value for name, value in plain.items() if isinstance(value, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items() if name not in sections]
    for name, section in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _build_section(kind: type[_Section], name: str, values: dict[str, Any]) -> _Section:
    known = _field_names(kind)
    for key in values:
        if key not in known:
            raise DataError(f"recipe: [{name}]: {unknown('entry', key, known)}")
    return kind(**values)


def _field_names(kind: type[Any]) -> frozenset[str]:
    return frozenset(entry.name for entry in dataclasses.fields(kind))
