"""How a command declares its options and arguments: as annotations of its parameters, without typer.

    def run(image: Annotated[Path, Argument("Image file.")], top: Annotated[int, Option("Classes to show.")] = 5)

`typer_options` turns these declarations into typer's when `app` registers the command, and `predict.fast_parser` reads
them directly. Importing typer takes longer than a prediction, so nothing slow is imported here.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_origin


class Option(NamedTuple):
    """An option of a command; it may be repeated if its type is `tuple[T, ...]`.

    Attributes:
        help: one sentence for --help: what the option sets, and the unit or form of its value.
        metavar: placeholder of the value in --help; by default from the type and the name of the option.
        flags: as written on the command line; by default --NAME.
        least: smallest value allowed.
        most: largest value allowed.
        default_text: default as shown in --help, if that is not the value itself.
        panel: panel of --help that lists the option; by default "Options".
        argument: name of the library's argument that the option sets, if it is not the option's own name.
        writes: extensions of the file that the option names, if the command writes it.
    """

    help: str
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    default_text: str | None = None
    panel: str | None = None
    argument: str | None = None
    writes: tuple[str, ...] = ()

    def flags_of(self, name: str) -> tuple[str, ...]:
        """The flags of the option if its parameter has this name."""
        return self.flags or (flag_of(name),)

    def spelling(self, name: str) -> str:
        """The option as messages call it: its first flag."""
        return self.flags_of(name)[0].partition("/")[0]


class Argument(NamedTuple):
    """A positional argument of a command.

    Attributes:
        help: one sentence for --help: what the argument is, and in which forms it may be given.
        metavar: placeholder in --help; by default the name in capitals.
        default_text: default as shown in --help, if that is not the value itself.
        argument: name of the library's argument that it sets, if it is not its own name.
    """

    help: str
    metavar: str | None = None
    default_text: str | None = None
    argument: str | None = None

    def spelling(self, name: str) -> str:
        """The argument as messages call it: its metavar."""
        return self.metavar or name.upper()


def flag_of(name: str) -> str:
    """--NAME, the flag of an option that declares none."""
    return f"--{name.replace('_', '-')}"


def is_repeated(value_type: Any) -> bool:
    """Whether an option or argument of this type may be given several times."""
    return get_origin(value_type) is tuple
