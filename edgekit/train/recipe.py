"""A recipe: how a model is trained, as data. It is what recipe.toml contains and the command line overrides."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgekit.errors import DataError, SpecError, check_types, listed, quote, unknown
from edgekit.files import read_regular_file
from edgekit.hub.imagenet_weights import needed_arguments
from edgekit.preprocess.spec import Preprocess
from edgekit.train.field_types import check_name
from edgekit.train.settings import TUNE_DEFAULTS, TUNES, Augment, Choices, Optimize
from edgekit.train.teacher_settings import Distill
from edgekit.zoo.specs import check_free_arguments, spec_named

_Section = TypeVar("_Section")
_MAX_BYTES = 2**20
_SECTIONS = ("arguments", "preprocess", "augment", "optimize", "distill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Choices):
    """Everything that determines the trained weights, except the images and the machine.

    Build one with `Recipe.from_dict`, which fills in the defaults of the network and of `tune`.

    Attributes:
        weights: pretrained weights to start from: "imagenet", a file, or None for random initialization.
        tune: which parameters are trained: "head", "partial", "full" or "scratch".
        solver: for tune "head": "lbfgs" solves for the optimal head, which needs nothing of `optimize`, "sgd" trains it
            as any other tune; None for those.
        unfreeze: for tune "partial": names of stages, or how many of the last ones.
        precision: arithmetic of the forward pass, "float32" or "bfloat16" (autocast).
        seed: random seed, 0 to 2^63 - 1.
        val_fraction: share of each class held out for validation, 0 to below 1.
        max_bad: number of unreadable images that are skipped, in train and in val each.
        balance: compensation for classes of unequal size, "none", "loss" or "sampler".
        balance_beta: how strong it is, 0 to 1 (`balance.class_weights`).
        monitor: figure that decides which epoch is best: "top1", "macro-recall", "map", "loss" or None, which is top1,
            or map for images with several labels.
        keep: epoch whose weights are the result, "best" or "last".
        model: name of a network, as listed by `edgekit models`.
        arguments: arguments of the network, e.g. {"width_mult": 0.5}.
        preprocess: how an image becomes the network's input.
        augment: random changes of training images.
        optimize: optimizer, schedule, weight average, early stopping.
        distill: another model to learn from.

    Raises:
        SpecError: a value has the wrong type or is out of range, or two values contradict each other.

    Example:
        >>> from edgekit.train import Recipe
        >>> recipe = Recipe.from_dict({"model": "mobilenet_v2", "weights": "imagenet", "tune": "full"})
        >>> recipe.optimize.epochs
        6
    """

    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    preprocess: Preprocess
    augment: Augment = field(default_factory=Augment)
    optimize: Optimize = field(default_factory=Optimize)
    distill: Distill = field(default_factory=Distill)

    def __post_init__(self) -> None:
        Choices.__post_init__(self)  # not super(): a slotted dataclass is a second class, which super does not know
        if self.tune == "head" and self.solver is None:
            object.__setattr__(self, "solver", "lbfgs")
        if self.solver == "lbfgs":
            self._check_unused()
        if self.optimize.head_start and self.tune not in ("partial", "full"):
            raise SpecError(f"`head_start` needs `tune` partial or full (got {quote(self.tune)})")
        check_free_arguments(self.arguments, channels=self.preprocess.channels)
        self._check_crops()

    def _check_unused(self) -> None:
        """A head that is solved for has no epochs: what only those use must have its default."""
        default = Optimize(**TUNE_DEFAULTS["head"]["optimize"])
        changed = [
            f.name for f in dataclasses.fields(default) if getattr(self.optimize, f.name) != getattr(default, f.name)
        ]
        changed += ["monitor"] if self.monitor is not None else []
        changed += ["keep"] if self.keep != "best" else []
        changed += ["teacher"] if self.distill.teacher else []
        if changed:
            raise SpecError(_unused_message(changed))

    def _check_default_rate(self) -> None:
        """Optimizers need learning rates that differ by a factor of up to a hundred."""
        default = Optimize(**TUNE_DEFAULTS[self.tune]["optimize"])
        if self.optimize.optimizer != default.optimizer:
            raise SpecError(
                f"`optimizer` {self.optimize.optimizer!r} needs a `learning_rate`: the default of `tune` "
                f"{self.tune!r}, {default.learning_rate:g}, is for {default.optimizer}"
            )

    def _check_crops(self) -> None:
        """A random crop must overlap the image, and fit the network, which is evaluated at the full crop."""
        full_crop, padding = min(self.preprocess.crop), self.augment.crop_padding
        if padding >= full_crop:
            raise SpecError(f"`crop_padding` must be smaller than the crop of {self.preprocess.crop} (got {padding})")
        for _, crop in self.augment.progressive:
            if not padding < crop <= full_crop:
                raise SpecError(
                    f"`progressive` crops must be larger than `crop_padding` ({padding}) and at most {full_crop} "
                    f"pixels (got {crop})"
                )

    @property
    def network_arguments(self) -> dict[str, Any]:
        """Arguments to build the network with: `arguments`, and the number of image channels."""
        return self.arguments | {"in_channels": self.preprocess.channels}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON-ready values; `from_dict` is the inverse.

        A head that is solved for has no "optimize", and without a teacher there is no "distill".
        """
        values = dataclasses.asdict(self) | {"preprocess": self.preprocess.to_dict()}
        if self.solver == "lbfgs":
            del values["optimize"]
        if not self.distill.teacher:
            del values["distill"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from values; whatever they leave out gets the default of the network or of `tune`.

        The network gets the padding that its published weights were trained with, unless `arguments` has another.
        Color images are mirrored unless `augment.mirror` is false, grayscale ones (digits) only if it is true. With
        `tune` "head", the solver is "lbfgs", unless there are entries of "optimize", which only "sgd" uses.

        Args:
            values: entries as in recipe.toml: "model" is required; "arguments", "preprocess", "augment",
                "optimize" and "distill" are mappings.

        Raises:
            DataError: an entry is unknown, missing, or not a section where one is expected.
            SpecError: the network is unknown, a value has the wrong type or is out of range, or `optimizer` is not the
                default one of `tune` and has no `learning_rate`.

        Example:
            >>> from edgekit.train import Recipe
            >>> Recipe.from_dict({"model": "lenet5", "optimize": {"epochs": 5}}).optimize.epochs
            5
        """
        _check_structure(values)
        if "model" not in values:
            raise DataError('recipe: no model is named; add model = "NAME"')
        spec = spec_named(values["model"])
        preprocess = spec.preprocess.with_changes(values.get("preprocess", {}))
        tune = values.get("tune", "scratch")
        check_name("tune", tune, TUNES)
        solver = values.get("solver") or (None if tune != "head" else "sgd" if values.get("optimize") else "lbfgs")
        if solver == "lbfgs" and values.get("optimize"):
            raise SpecError(_unused_message(values["optimize"]))
        augment = {"mirror": preprocess.color == "RGB", **TUNE_DEFAULTS[tune]["augment"]}
        if values.get("augment", {}).get("crop_padding"):  # the other kind of random crop
            augment.pop("crop_scale", None)
        augment |= values.get("augment", {})
        sections = {
            "solver": solver,
            "arguments": {**needed_arguments(spec.name, values.get("weights")), **values.get("arguments", {})},
            "preprocess": preprocess,
            "augment": _build_section(Augment, "augment", augment),
            "optimize": _build_section(
                Optimize, "optimize", {**TUNE_DEFAULTS[tune]["optimize"], **values.get("optimize", {})}
            ),
            "distill": _build_section(Distill, "distill", dict(values.get("distill", {}))),
        }
        recipe = cls(**{**values, **sections})
        if "learning_rate" not in values.get("optimize", {}):
            recipe._check_default_rate()
        return recipe


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from a .toml file.

    Args:
        path: the file, e.g. recipe.toml.

    Returns:
        The recipe, with the defaults of the network and of `tune` for whatever the file leaves out.

    Raises:
        DataError: the file cannot be read, is not TOML, or has an unknown or misplaced entry.
        SpecError: as by `Recipe.from_dict`.

    Example:
        >>> from pathlib import Path
        >>> from edgekit.train import read_recipe
        >>> _ = Path("recipe.toml").write_text('model = "lenet5"')
        >>> read_recipe("recipe.toml").model
        'lenet5'
    """
    values = read_values(path)
    try:
        return Recipe.from_dict(values)
    except (DataError, SpecError) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None


def read_values(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the values in a recipe's .toml file, without filling in defaults.

    Args:
        path: the file.

    Returns:
        The entries, for `Recipe.from_dict`.

    Raises:
        DataError: the file cannot be read, is not TOML, or has an unknown or misplaced entry.
    """
    check_types(str | os.PathLike, path=path)
    data = read_regular_file(path, max_bytes=_MAX_BYTES, error=DataError)
    try:
        values = tomllib.loads(data.decode())
        _check_structure(values)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{os.fspath(path)}: not a TOML file: {error}") from None
    except DataError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from None
    return values


def _unused_message(names: Iterable[str]) -> str:
    settings = listed((f"`{name}`" for name in names), most=5)
    return f"`solver` 'lbfgs' has no epochs and does not use {settings}; leave that out, or set `solver` to sgd"


def _check_structure(values: Mapping[str, Any]) -> None:
    """Raise DataError for an unknown entry, and for a value that should be a [section]."""
    known = _field_names(Recipe)
    for name, value in values.items():
        for section, kind in (("optimize", Optimize), ("augment", Augment), ("distill", Distill)):
            if name not in known and name in _field_names(kind):
                raise DataError(f"recipe: {name!r} belongs under [{section}]")
        if name not in known:
            raise DataError(f"recipe: {unknown('entry', name, known)}")
        if name in _SECTIONS and not isinstance(value, Mapping):
            raise DataError(f"recipe: {name!r} must be a section, [{name}] (got {quote(value)})")
    for name in ("model", "tune"):  # looked up before the recipe checks its fields
        if not isinstance(values.get(name, ""), str):
            raise DataError(f"recipe: {name!r} must be a string (got {quote(values[name])})")


def to_toml(recipe: Recipe) -> str:
    """The whole recipe as TOML with its defaults written out; `read_recipe` reads it back."""
    entries = {name: value for name, value in recipe.to_dict().items() if value is not None}
    sections = {name: value for name, value in entries.items() if isinstance(value, dict)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entries.items() if name not in sections]
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
