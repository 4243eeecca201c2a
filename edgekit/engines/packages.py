"""The packages of the engines, which no extra installs: a user's cluster has them, in versions of its own."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgekit.errors import EdgekitError


def import_engine(package: str, *, requirement: str) -> ModuleType:
    """Import the package of an engine.

    Args:
        package: its import name, or that of a module in it.
        requirement: what pip installs it by.

    Raises:
        EdgekitError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        top = package.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise  # one of its own dependencies is missing: that message is the better one
        raise EdgekitError(f"{top} is not installed; run: pip install '{requirement}'") from None
