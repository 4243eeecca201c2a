"""The whole error tree, with the exit code that each error gives a command.

    EdgekitError                             1
    ├── ImageError           (ValueError)    1  an image that cannot be read or is refused
    ├── ArtifactError        (ValueError)    4  a model file that is broken, foreign or refused
    ├── SpecError            (ValueError)    2  an unknown network, or arguments it does not take
    ├── DataError            (ValueError)    1  a data set, label file or recipe that cannot be used
    ├── WeightsError         (ValueError)    4  weights that do not fit the network, or do not arrive
    ├── ParityError          (ArithmeticError)  5  a converted model that answers differently from its parent
    ├── QualityGateError     (ValueError)    6  a model worse than what was asked for
    └── MissingDependency    (ImportError)   1  an extra that is not installed

Each message says what is wrong, with the offending value, where, and what to do. Each also is the built-in
exception that a caller who never heard of edgekit would catch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

# What pip installs. On the package index, `edgekit` is an unrelated project.
DISTRIBUTION = "edgekit-onnx"
_MAX_MESSAGE = 2000
_MAX_NAME = 100
_MAX_FOREIGN = 200
# The status of a command of which some images failed and the others were predicted.
EXIT_SOME_FAILED = 3


class EdgekitError(Exception):
    """Base of every error that edgekit raises on purpose. Its message is one line that is safe to print.

    exit_code: the status with which a command ends that raised it.
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        message = super().__str__()
        half = _MAX_MESSAGE // 2
        return printable(message if len(message) <= _MAX_MESSAGE else f"{message[:half]}...{message[-half:]}")


class ImageError(EdgekitError, ValueError):
    """An image cannot be read, or is refused."""


class ArtifactError(EdgekitError, ValueError):
    """A model file is broken, is not an edgekit artifact, or is refused."""

    exit_code = 4


class SpecError(EdgekitError, ValueError):
    """An unknown network, or arguments that the network does not take."""

    exit_code = 2


class DataError(EdgekitError, ValueError):
    """A data set, label file or recipe cannot be used."""


class WeightsError(EdgekitError, ValueError):
    """Weights do not fit the network, or could not be fetched."""

    exit_code = 4


class ParityError(EdgekitError, ArithmeticError):
    """A converted model answers differently from its parent.

    `measured` and `tolerance` are the largest absolute differences of the logits, found and allowed.
    """

    exit_code = 5

    def __init__(self, message: str, *, measured: float, tolerance: float) -> None:
        super().__init__(message)
        self.measured = measured
        self.tolerance = tolerance

    def __reduce__(self) -> tuple[Any, ...]:  # by its fields: it crosses process pools
        return _with_fields, (type(self), self.args, {"measured": self.measured, "tolerance": self.tolerance})


class QualityGateError(EdgekitError, ValueError):
    """A model is worse than what was asked for, so nothing was written."""

    exit_code = 6


class MissingDependency(EdgekitError, ImportError):  # noqa: N818  (as in the plan: it reads as what happened)
    """A package of an extra is not installed; `extra` names the extra."""

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install '{DISTRIBUTION}[{extra}]'")
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_fields, (type(self), self.args, {"extra": self.extra})


def _with_fields(kind: type[EdgekitError], args: tuple[Any, ...], fields: dict[str, Any]) -> EdgekitError:
    """An error as it was pickled; its constructor would make the message anew."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


def quote(value: object) -> str:
    """The repr of a foreign value for a message: at most 200 characters, truncated in the middle."""
    text = repr(value)
    half = _MAX_FOREIGN // 2
    return text if len(text) <= _MAX_FOREIGN else f"{text[:half]}...{text[-half:]}"


def printable(text: str) -> str:
    """The text with every control character escaped: a label or a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for an unknown name, with the closest known ones: what every look-up by name says."""
    import difflib  # here, because a program that makes no mistake need not wait for it

    known, name = sorted(known), name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known) or 'none'}"
    return f"unknown {kind} {name!r}; {hint}"


def listed(items: Iterable[str], *, most: int = 6, separator: str = ", ") -> str:
    """The first `most` items and the number of the others, or "none"."""
    items = list(items)
    comma = "" if separator == ", " else separator.rstrip()
    more = f"{comma} and {len(items) - most} more" if len(items) > most else ""
    return (separator.join(items[:most]) or "none") + more
