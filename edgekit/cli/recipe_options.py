"""The options of `edgekit train` that a recipe has as well: made from the recipe's own fields, not repeated here."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.parse_values import composite, named_values
from edgekit.train.settings import Augment, Choices, Optimize, Option, options_of

if TYPE_CHECKING:
    from edgekit.train.recipe import Recipe

# Where in a recipe the options of a panel of `edgekit train --help` belong; None: at its top.
_PANELS: dict[str, tuple[str | None, type]] = {
    "Recipe": (None, Choices),
    "Optimization": ("optimize", Optimize),
    "Augmentation": ("augment", Augment),
}
_PREPROCESS = {
    "mean": "In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.",
    "std": "In 0..1 units: 0.5, or one a channel: 0.229,0.224,0.225.",
    "resize": "Short edge in pixels before the crop.",
    "crop": "Height and width of the input in pixels, or both: 96,128.",
    "interpolation": "bilinear, bicubic, ...",
}


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each choice of a recipe in place of its **settings.

    Each is None where it was not given. Values that are not one number or word are read as TOML or as values with
    commas between them.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = signature.replace(parameters=[*own, *_parameters()])  # type: ignore[attr-defined]
    return command


def recipe_of(path: Path | None, settings: dict[str, Any]) -> Recipe:
    """The recipe of a file (or of nothing) with the options of the command line laid over it."""
    from edgekit.errors import SpecError
    from edgekit.train.recipe import Recipe, read_values

    given = {name: value for name, value in settings.items() if value is not None}
    values = read_values(path) if path else {}
    if model := given.pop("model", None):
        values["model"] = model
    if "model" not in values:
        raise SpecError("nothing to train: give --recipe FILE or --model NAME")
    arguments = named_values(given.pop("argument", []))
    if padding := given.pop("padding", None):
        arguments["padding"] = padding
    values["arguments"] = values.get("arguments", {}) | arguments
    for name, value in given.items():
        section = _SECTIONS[name]
        where = values if section is None else values.setdefault(section, {})
        where[name] = composite(value) if name in _READ_AS_TOML else value
    recipe = Recipe.from_dict(values)
    _check_used(given, recipe)
    return recipe


def _check_used(given: dict[str, Any], recipe: Recipe) -> None:
    """Raises SpecError for an option of the command line that the recipe's tune has no use for."""
    from edgekit.errors import SpecError

    for name, tune in {"unfreeze": "partial", "feature_copies": "head"}.items():
        if given.get(name) and recipe.tune != tune:
            raise SpecError(f"{_flag(name)} goes with --tune {tune}, not with {recipe.tune}")
    if recipe.tune != "head":
        return
    copied = {option.name for option in options_of(Augment)} - _MIXING if recipe.augment.feature_copies else set()
    for name, value in given.items():
        if _SECTIONS[name] == "augment" and value and name not in copied:
            more = "" if name in _MIXING else "; with --feature-copies N it has, on N copies"
            raise SpecError(f"{_flag(name)} has no effect on the features that --tune head computes once{more}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parameters() -> list[inspect.Parameter]:
    named = {
        "model": (str, "A network of `edgekit models`."),
        "padding": (str, "symmetric or tf_same, where the network has the choice."),
        "argument": (list[str], "An argument of the network: width_mult=0.5. May be repeated."),
        **{name: (str, help) for name, help in _PREPROCESS.items()},
    }
    parameters = [_parameter(name, kind, help, "Recipe") for name, (kind, help) in named.items()]
    for panel, (_, section) in _PANELS.items():
        parameters += [_parameter(o.name, _command_line_type(o), o.help, panel) for o in options_of(section)]
    return parameters


def _parameter(name: str, kind: Any, help: str, panel: str) -> inspect.Parameter:
    annotation = Annotated[kind | None, typer.Option(help=help, rich_help_panel=panel)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _command_line_type(option: Option) -> Any:
    """A plain type where the field has one; text, to be read later, for tuples and alternatives."""
    return option.kind if option.kind in (int, float, bool) else str


def _is_composite(option: Option) -> bool:
    kinds = typing.get_args(option.kind) if isinstance(option.kind, types.UnionType) else (option.kind,)
    return any(typing.get_origin(kind) is tuple for kind in kinds)


_SECTIONS: dict[str, str | None] = {
    **dict.fromkeys(_PREPROCESS, "preprocess"),
    **{option.name: where for where, section in _PANELS.values() for option in options_of(section)},
}
_MIXING = {"mixup", "cutmix"}
_READ_AS_TOML = frozenset({"mean", "std", "resize", "crop"}).union(
    option.name for _, section in _PANELS.values() for option in options_of(section) if _is_composite(option)
)
