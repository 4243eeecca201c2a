"""The options of `edgekit train` that override a recipe, generated from the fields of the recipe."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from edgekit.cli import shared_options as shared
from edgekit.cli.option_values import composite, named_values
from edgekit.cli.options import Option, flag_of
from edgekit.train.settings import Augment, Choices, Optimize, default_text
from edgekit.train.teacher_settings import Distill

if TYPE_CHECKING:
    from edgekit.train.recipe import Recipe

_NETWORK: dict[str, tuple[Any, Option]] = {
    "model": (str, Option("Name of the network to train, from `edgekit models`.", default_text="the recipe's")),
    "padding": (str, shared.PADDING),
    "argument": (tuple[str, ...], shared.ARGUMENT),
}
_PREPROCESS: dict[str, tuple[Any, Option]] = {
    "mean": (str, shared.MEAN),
    "std": (str, shared.STD),
    "fit": (str, shared.FIT),
    "resize": (str, shared.RESIZE),
    "fill": (str, shared.FILL),
    "crop": (str, shared.CROP),
    "interpolation": (str, shared.INTERPOLATION),
    "resampler": (str, shared.RESAMPLER),
}
_PANEL = "Recipe"
_MIXING = {"mixup", "cutmix"}


class _Setting(NamedTuple):
    """A field of a recipe, in a section of recipe.toml ("" for the top level), and the option that overrides it."""

    name: str
    type: Any
    section: str
    option: Option

    @property
    def option_type(self) -> Any:
        """A plain type if the field has one; otherwise text, which `composite` parses later."""
        return self.type if self.type in (int, float, bool) else str


def _may_be_tuple(field_type: Any) -> bool:
    """Whether a value of this type may be more than one number or word."""
    alternatives = typing.get_args(field_type) if isinstance(field_type, types.UnionType) else (field_type,)
    return any(typing.get_origin(alternative) is tuple for alternative in alternatives)


def _settings_of(section_type: type, section: str, panel: str) -> list[_Setting]:
    hints, settings = typing.get_type_hints(section_type), []
    for field in dataclasses.fields(section_type):
        if "help" in field.metadata:
            metavar = "VALUES" if _may_be_tuple(hints[field.name]) else None
            default = default_text(section, field)
            option = Option(field.metadata["help"], metavar=metavar, default_text=default, panel=panel)
            settings.append(_Setting(field.name, hints[field.name], section, option))
    return settings


def _option_field(name: str, option_type: Any, option: Option) -> tuple[str, Any, Any]:
    """A field of RecipeOptions, whose default is that the option is not given."""
    if typing.get_origin(option_type) is tuple:
        return name, Annotated[option_type, option], ()
    if option_type is bool:
        option = option._replace(flags=(f"{flag_of(name)}/{flag_of(f'no_{name}')}",))
    return name, Annotated[option_type | None, option], None


_SETTINGS = (
    *_settings_of(Choices, "", _PANEL),
    *_settings_of(Optimize, "optimize", "Optimization"),
    *_settings_of(Augment, "augment", "Augmentation"),
    *_settings_of(Distill, "distill", "Knowledge distillation"),
)
_SECTIONS = dict.fromkeys(_PREPROCESS, "preprocess") | {setting.name: setting.section for setting in _SETTINGS}
_COMPOSITES = {"mean", "std", "resize", "fill", "crop"}
_COMPOSITES |= {setting.name for setting in _SETTINGS if _may_be_tuple(setting.type)}

RecipeOptions = dataclasses.make_dataclass(
    "RecipeOptions",
    [
        *(
            _option_field(name, option_type, option._replace(panel=_PANEL))
            for name, (option_type, option) in (_NETWORK | _PREPROCESS).items()
        ),
        *(_option_field(setting.name, setting.option_type, setting.option) for setting in _SETTINGS),
    ],
)


def recipe_of(path: Path | None, options: dict[str, Any], *, has_rate: bool = True) -> Recipe:
    """Return the recipe of a file, or the default one, with the options that are given in place of its values.

    Args:
        path: the file.
        options: by name; None for those that are not given.
        has_rate: whether the learning rate matters; if not, an optimizer needs none.
    """
    from edgekit.errors import SpecError
    from edgekit.train.recipe import Recipe, read_values

    overrides = {name: value for name, value in options.items() if value is not None}
    values = read_values(path) if path else {}
    if model := overrides.pop("model", None):
        values["model"] = model
    if "model" not in values:
        raise SpecError("--model or --recipe is required")
    arguments = named_values(overrides.pop("argument", ()))
    if padding := overrides.pop("padding", None):
        arguments["padding"] = padding
    values["arguments"] = values.get("arguments", {}) | arguments
    for name, value in overrides.items():
        section = _SECTIONS[name]
        entries = values.setdefault(section, {}) if section else values
        entries[name] = composite(value) if name in _COMPOSITES else value
    if not has_rate and "optimizer" in values.get("optimize", {}):
        values["optimize"].setdefault("learning_rate", 1.0)
    recipe = Recipe.from_dict(values)
    _check_used(overrides, recipe)
    return recipe


def _check_used(overrides: dict[str, Any], recipe: Recipe) -> None:
    """Raises SpecError for an option that has no effect with the recipe's tune."""
    from edgekit.errors import SpecError

    for name, tune in {"unfreeze": "partial", "feature_copies": "head"}.items():
        if overrides.get(name) and recipe.tune != tune:
            raise SpecError(f"{flag_of(name)} requires --tune {tune} (got {recipe.tune})")
    if "balance_beta" in overrides and recipe.balance == "none":
        raise SpecError("--balance-beta requires --balance loss or sampler")
    for name in ("teacher_plan", "teacher_share", "teacher_temperature"):
        if name in overrides and not recipe.distill.teacher:
            raise SpecError(f"{flag_of(name)} requires --teacher")
    if recipe.tune != "head":
        return
    augmentations = {field.name for field in dataclasses.fields(Augment)}
    used = augmentations - _MIXING if recipe.augment.feature_copies else set()
    used |= {"mirror"} if recipe.solver == "lbfgs" else set()
    for name, value in overrides.items():
        if name in augmentations - used and value:
            more = "" if name in _MIXING else "; add --feature-copies N to augment N copies of each image"
            raise SpecError(f"{flag_of(name)} has no effect with --tune head, which computes features once{more}")
