"""No command overwrites what it reads, or a file of another kind: checked for all commands before they start."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edgekit.cli.options import Argument, Option
from edgekit.errors import SpecError, listed, quote


def check_outputs(declarations: Mapping[str, Option | Argument], values: Mapping[str, object]) -> None:
    """Check the files that a command is asked to write.

    Args:
        declarations: of the command's parameters, by name. An Option with `writes` is an output, all others may be
            inputs.
        values: of the parameters, by name.

    Raises:
        SpecError: an output has another extension than its kind of file, also behind a link; is one of the command's
            inputs; or is the same file as another output.
    """
    outputs: dict[Path, str] = {}
    inputs = {
        _resolved(path): path
        for name, declared in declarations.items()
        if not _writes(declared)
        for path in _paths(values.get(name))
    }
    for name, declared in declarations.items():
        for path in _paths(values.get(name)) if _writes(declared) else ():
            flag, target = declared.spelling(name), _resolved(path)
            if not os.fspath(target).lower().endswith(_writes(declared)):
                raise SpecError(f"{flag} {quote(path)}: the file to write must end in {listed(_writes(declared))}")
            if target in inputs:
                raise SpecError(f"{flag} {quote(path)}: would replace the input file; choose another path")
            if target in outputs:
                raise SpecError(f"{flag} {quote(path)}: is written by {outputs[target]} too; choose another path")
            outputs[target] = flag


def output_stamps(
    declarations: Mapping[str, Option | Argument], values: Mapping[str, object]
) -> dict[str, tuple[int, int, int] | None]:
    """The state of each file that a command is asked to write, by path; None if there is none.

    Args:
        declarations: of the command's parameters, by name.
        values: of the parameters, by name.
    """
    outputs = (
        path for name, declared in declarations.items() if _writes(declared) for path in _paths(values.get(name))
    )
    return {path: _stamp(path) for path in outputs}


def changed_outputs(stamps: Mapping[str, tuple[int, int, int] | None]) -> list[str]:
    """The paths of the outputs that were written since.

    Args:
        stamps: from `output_stamps`.
    """
    return [path for path, stamp in stamps.items() if _stamp(path) != stamp]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _writes(declared: Option | Argument) -> tuple[str, ...]:
    return declared.writes if isinstance(declared, Option) else ()


def _paths(value: object) -> Iterator[str]:
    """What may be paths in the value of a parameter."""
    if isinstance(value, str | os.PathLike):
        yield os.fspath(value)
    elif isinstance(value, Iterable):
        for item in value:
            yield from _paths(item)


def _resolved(path: str) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, ValueError, RuntimeError):  # a link to itself, or no path at all
        return Path(path)
