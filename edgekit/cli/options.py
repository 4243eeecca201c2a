"""How commands declare their options and arguments: in annotations, and without typer.

    def run(image: Annotated[Path, Argument("An image.")], top: Annotated[int, Option("Classes to show.")] = 5) -> None

When `app` registers a command, `typer_options` turns these declarations into typer's. `predict.fast_parser` reads them
itself, because importing typer takes longer than a prediction: nothing slow is imported here.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_origin


class Option(NamedTuple):
    """An option of a command; it may be repeated if its type is `tuple[T, ...]`.

    flags: as they are written on a command line, if not --NAME. least, most: bounds of its value. default_text: what
    --help shows in place of the default. panel: the panel of --help that lists it, if not "Options".
    """

    help: str
    flags: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    default_text: str | None = None
    panel: str | None = None

    def flags_of(self, name: str) -> tuple[str, ...]:
        """The flags of the option with this name."""
        return self.flags or (flag_of(name),)


class Argument(NamedTuple):
    """A positional argument of a command. metavar: its name in --help, if not NAME."""

    help: str
    metavar: str | None = None
    default_text: str | None = None


def flag_of(name: str) -> str:
    """--NAME, the flag of an option that declares none."""
    return f"--{name.replace('_', '-')}"


def is_repeated(value_type: Any) -> bool:
    """Whether an option or argument of this type may be given several times."""
    return get_origin(value_type) is tuple
