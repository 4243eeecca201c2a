"""The error tree, with the exit status of each error, and helpers that word messages.

    EdgekitError                                1
    ├── ImageError           (ValueError)       1  an image cannot be read, or is refused
    ├── ArtifactError        (ValueError)       4  a model file is broken, not an edgekit artifact, or refused
    ├── SpecError            (ValueError)       2  an argument, setting or name is not valid
    ├── DataError            (ValueError)       1  a data set, label file or recipe cannot be used
    ├── WeightsError         (ValueError)       4  weights do not fit the network, or could not be downloaded
    ├── ParityError          (ArithmeticError)  5  a converted model differs from the model it was made from
    ├── QualityGateError     (ValueError)       6  a model is worse than the limits allow
    └── MissingDependency    (ImportError)      1  a package of an extra is not installed

The number is the exit status of a command that ends with the error; the built-in exception in parentheses is a second
base class. A message is one line: what failed, the offending value, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, ClassVar, get_args

# What pip installs. On the package index, `edgekit` is an unrelated project.
DISTRIBUTION = "edgekit-onnx"
_MAX_MESSAGE = 2000
_MAX_NAME = 100
_MAX_FOREIGN = 200
_MOST_KNOWN = 12  # names in one message
# Exit status of a command that could not read some of the images and finished the others.
EXIT_SOME_FAILED = 3


class EdgekitError(Exception):
    """Base class of every error that edgekit raises. `str(error)` is one line that is safe to print.

    Attributes:
        exit_code: exit status of a command that ends with this error.

    Example:
        >>> from edgekit import Classifier, EdgekitError
        >>> try:
        ...     Classifier().predict("absent.jpg")
        ... except EdgekitError as error:
        ...     print(error)
        absent.jpg: cannot be opened: No such file or directory
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return truncated(printable(truncated(super().__str__(), _MAX_MESSAGE)), _MAX_MESSAGE)


class ImageError(EdgekitError, ValueError):
    """An image cannot be read, or is refused."""


class ArtifactError(EdgekitError, ValueError):
    """A model file is broken, is not an edgekit artifact, or is refused."""

    exit_code = 4


class SpecError(EdgekitError, ValueError):
    """An argument, a setting or a name is not valid."""

    exit_code = 2


class DataWarning(UserWarning):
    """A data set can be read, but probably not as its owner means it. Commands print it as one line."""


class DataError(EdgekitError, ValueError):
    """A data set, label file or recipe cannot be used."""


class WeightsError(EdgekitError, ValueError):
    """Weights do not fit the network, or could not be downloaded."""

    exit_code = 4


class ParityError(EdgekitError, ArithmeticError):
    """A converted model differs from the model it was made from.

    Attributes:
        measured: largest absolute difference of the logits.
        tolerance: largest difference allowed.
    """

    exit_code = 5

    def __init__(self, message: str, *, measured: float, tolerance: float) -> None:
        super().__init__(message)
        self.measured = measured
        self.tolerance = tolerance

    def __reduce__(self) -> tuple[Any, ...]:  # process pools pickle errors, and would call __init__ with the message
        return _with_fields, (type(self), self.args, {"measured": self.measured, "tolerance": self.tolerance})


class QualityGateError(EdgekitError, ValueError):
    """A model is worse than the limits allow; nothing was written."""

    exit_code = 6


class MissingDependency(EdgekitError, ImportError):  # noqa: N818  (the name says what happened)
    """A package that only an extra installs is not installed.

    Attributes:
        extra: the extra of edgekit that installs it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install '{DISTRIBUTION}[{extra}]'")
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_fields, (type(self), self.args, {"extra": self.extra})


def _with_fields(kind: type[EdgekitError], args: tuple[Any, ...], fields: dict[str, Any]) -> EdgekitError:
    """Restore a pickled error without its constructor, which would build the message again."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


def quote(value: object) -> str:
    """The repr of a foreign value for a message: at most 200 characters, truncated in the middle."""
    try:
        text = repr(value)
    except Exception:  # a repr may fail: of an integer of 5000 digits, for one
        text = f"<{type(value).__name__}>"
    return truncated(text, _MAX_FOREIGN)


def truncated(text: str, most: int) -> str:
    """Return at most this many characters of the text, without its middle if it has more."""
    half = (most - len("...")) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def must_be(name: str, expected: str, value: object) -> str:
    """The message for an argument that is not what it must be: "`top` must be an integer from 1 (got 0)"."""
    return f"`{name}` must be {expected} (got {quote(value)})"


def check_types(kind: type | UnionType, **values: object) -> None:
    """Raises SpecError for an argument that is not of this type, or of one of these types. values: by their names."""
    for name, value in values.items():
        if not isinstance(value, kind):
            names = ["None" if one is NoneType else one.__name__ for one in get_args(kind) or (kind,)]
            article = "an" if names[0][0] in "AEIOU" else "a"
            raise SpecError(must_be(name, f"{article} {' or '.join(names)}", value))


def printable(text: str) -> str:
    """The text with every control character escaped: a label or a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def is_unicode(text: str) -> bool:
    """Return whether a file can contain the text. Names of files that are not in UTF-8 have surrogates for bytes."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for an unknown name, with the known names that are close to it."""
    import difflib  # here, because a program that makes no mistake does not need it

    known = sorted(known)
    close = difflib.get_close_matches(name[:_MAX_NAME], known, n=3, cutoff=0.5) if isinstance(name, str) else []
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {listed(known, most=_MOST_KNOWN)}"
    return f"unknown {kind} {quote(name)}; {hint}"


def listed(items: Iterable[str], *, most: int = 6, separator: str = ", ") -> str:
    """The first `most` items and the number of the others, or "none"."""
    items = list(items)
    comma = "" if separator == ", " else separator.rstrip()
    more = f"{comma} and {len(items) - most} more" if len(items) > most else ""
    return (separator.join(items[:most]) or "none") + more
