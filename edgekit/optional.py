"""The door to packages that only some extras install."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgekit.errors import MissingDependency


def require(package: str, *, extra: str) -> ModuleType:
    """The imported package; modules behind this door import it normally.

    Raises MissingDependency naming the pip command where it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise  # the package is there, but something that it needs is not: its own message is the better one
        raise MissingDependency(package, extra=extra) from None
