"""The options of `edgekit train` that a recipe has as well: made from the recipe's own fields, not repeated here."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from edgekit.cli.option_values import composite, named_values
from edgekit.cli.options import Option, flag_of
from edgekit.train.settings import Augment, Choices, Optimize

if TYPE_CHECKING:
    from edgekit.train.recipe import Recipe

_NETWORK = {
    "model": (str, "A network of `edgekit models`."),
    "padding": (str, "symmetric or tf_same, where the network has the choice."),
    "argument": (tuple[str, ...], "An argument of the network: width_mult=0.5. May be repeated."),
}
_PREPROCESS = {
    "mean": "In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.",
    "std": "In 0..1 units: 0.5, or one a channel: 0.229,0.224,0.225.",
    "resize": "Short edge in pixels before the crop.",
    "crop": "Height and width of the input in pixels, or both: 96,128.",
    "interpolation": "bilinear, bicubic, ...",
}
_MIXING = {"mixup", "cutmix"}


class _Setting(NamedTuple):
    """A field of a recipe. section: its section of recipe.toml, None for the top; panel: its panel of --help."""

    name: str
    type: Any
    help: str
    section: str | None
    panel: str

    @property
    def option_type(self) -> Any:
        """A plain type if the field has one; otherwise text, which `composite` reads later."""
        return self.type if self.type in (int, float, bool) else str

    @property
    def is_composite(self) -> bool:
        """Whether a value may be more than one number or word."""
        alternatives = typing.get_args(self.type) if isinstance(self.type, types.UnionType) else (self.type,)
        return any(typing.get_origin(alternative) is tuple for alternative in alternatives)


def _settings_of(section_type: type, section: str | None, panel: str) -> list[_Setting]:
    hints = typing.get_type_hints(section_type)
    return [
        _Setting(field.name, hints[field.name], field.metadata["help"], section, panel)
        for field in dataclasses.fields(section_type)
        if "help" in field.metadata
    ]


def _option_field(name: str, option_type: Any, help: str, panel: str = "Recipe") -> tuple[str, Any, Any]:
    """A field of RecipeOptions, whose default is that the option is not given."""
    if typing.get_origin(option_type) is tuple:
        return name, Annotated[option_type, Option(help, panel=panel)], ()
    flags = (f"{flag_of(name)}/{flag_of(f'no_{name}')}",) if option_type is bool else ()
    return name, Annotated[option_type | None, Option(help, flags=flags, panel=panel)], None


_SETTINGS = (
    *_settings_of(Choices, None, "Recipe"),
    *_settings_of(Optimize, "optimize", "Optimization"),
    *_settings_of(Augment, "augment", "Augmentation"),
)
_SECTIONS = dict.fromkeys(_PREPROCESS, "preprocess") | {setting.name: setting.section for setting in _SETTINGS}
_COMPOSITES = {"mean", "std", "resize", "crop"} | {setting.name for setting in _SETTINGS if setting.is_composite}

RecipeOptions = dataclasses.make_dataclass(
    "RecipeOptions",
    [
        *(_option_field(name, option_type, help) for name, (option_type, help) in _NETWORK.items()),
        *(_option_field(name, str, help) for name, help in _PREPROCESS.items()),
        *(_option_field(setting.name, setting.option_type, setting.help, setting.panel) for setting in _SETTINGS),
    ],
)


def recipe_of(path: Path | None, options: dict[str, Any]) -> Recipe:
    """The recipe in a file, or an empty one, overridden by the options that are given."""
    from edgekit.errors import SpecError
    from edgekit.train.recipe import Recipe, read_values

    overrides = {name: value for name, value in options.items() if value is not None}
    values = read_values(path) if path else {}
    if model := overrides.pop("model", None):
        values["model"] = model
    if "model" not in values:
        raise SpecError("nothing to train: give --recipe FILE or --model NAME")
    arguments = named_values(overrides.pop("argument", ()))
    if padding := overrides.pop("padding", None):
        arguments["padding"] = padding
    values["arguments"] = values.get("arguments", {}) | arguments
    for name, value in overrides.items():
        section = _SECTIONS[name]
        entries = values if section is None else values.setdefault(section, {})
        entries[name] = composite(value) if name in _COMPOSITES else value
    recipe = Recipe.from_dict(values)
    _check_used(overrides, recipe)
    return recipe


def _check_used(overrides: dict[str, Any], recipe: Recipe) -> None:
    """Raises SpecError for an option that the recipe's tune has no use for."""
    from edgekit.errors import SpecError

    for name, tune in {"unfreeze": "partial", "feature_copies": "head"}.items():
        if overrides.get(name) and recipe.tune != tune:
            raise SpecError(f"{flag_of(name)} goes with --tune {tune}, not with {recipe.tune}")
    if recipe.tune != "head":
        return
    augmentations = {field.name for field in dataclasses.fields(Augment)}
    used = augmentations - _MIXING if recipe.augment.feature_copies else set()
    for name, value in overrides.items():
        if name in augmentations - used and value:
            more = "" if name in _MIXING else "; with --feature-copies N it has, on N copies"
            raise SpecError(f"{flag_of(name)} has no effect on the features that --tune head computes once{more}")
