"""How a model is trained, as data: what recipe.toml holds and the command line overrides."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from edgekit.errors import DataError, SpecError, unknown
from edgekit.preprocess import Preprocess
from edgekit.specs import spec_named
from edgekit.train.augment import Augment

_Section = TypeVar("_Section")


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimize:
    """SGD with Nesterov momentum under one warmup and one cosine.

    learning_rate: the peak. weight_decay: on convolution and linear weights only, never on norms or biases.
    ema_decay: of the averaged weights that are evaluated and exported; 0 takes the weights themselves.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_epochs: float = 1.0
    label_smoothing: float = 0.0
    ema_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise SpecError(f"epochs ({self.epochs}) and batch_size ({self.batch_size}) must be at least 1")
        if not self.learning_rate > 0:
            raise SpecError(f"learning_rate must be above 0, not {self.learning_rate}")
        for name in ("momentum", "label_smoothing", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise SpecError(f"{name} must lie in [0, 1), not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights but the data and the machine."""

    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    preprocess: Preprocess
    augment: Augment = field(default_factory=Augment)
    optimize: Optimize = field(default_factory=Optimize)
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; from_dict is its inverse."""
        return dataclasses.asdict(self) | {"preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """From to_dict's values, or some of them over the spec's defaults. Raises SpecError, DataError."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise DataError(f"recipe: {unknown('entry', name, known)}")
        if "model" not in values:
            raise DataError('recipe: says no model; add model = "NAME"')
        spec = spec_named(values["model"])
        sections = {
            "preprocess": Preprocess.from_dict(spec.preprocess.to_dict() | values.get("preprocess", {})),
            "augment": _section(Augment, "augment", values.get("augment", {})),
            "optimize": _section(Optimize, "optimize", values.get("optimize", {})),
        }
        return cls(**(values | sections))


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe of a .toml file. Raises DataError naming the file."""
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{os.fspath(path)}: not a TOML file: {error}") from None
    try:
        return Recipe.from_dict(values)
    except (DataError, SpecError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None


def _section(kind: type[_Section], name: str, values: dict[str, Any]) -> _Section:
    known = {entry.name for entry in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise DataError(f"recipe: [{name}]: {unknown('entry', key, known)}")
    return kind(**values)
