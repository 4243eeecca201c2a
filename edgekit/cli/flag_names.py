"""Messages of the library in the words of the command line: `max_drop` becomes --max-drop.

The library names its arguments in backticks. This is the only place that turns those names into flags.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, get_args


def with_flags(message: str, command: str) -> str:
    """Replace each `argument` in a message that the command sets.

    Args:
        message: a message of the library.
        command: name of the command that is running.

    Returns:
        The message with --flag or METAVAR in place of the argument; other words in backticks stay as they are.
    """
    declared_by = _declared_by(command) if "`" in message else None
    if declared_by is None:
        return message
    spellings = {}
    for name, parameter in inspect.signature(declared_by, eval_str=True).parameters.items():
        declaration = get_args(parameter.annotation)[1]
        spellings[declaration.argument or name] = declaration.spelling(name)
    return re.sub(r"`(\w+)`", lambda match: spellings.get(match[1], match[0]), message)


def _declared_by(command: str) -> Callable[..., Any] | None:
    """What has the declared options of the command as its parameters; None if there is no such command."""
    if command == "predict":  # which must not wait for typer
        from edgekit.cli.predict.options import Options

        return Options
    from edgekit.cli.app import COMMANDS

    return COMMANDS[command].run if command in COMMANDS else None
