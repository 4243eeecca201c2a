"""Imports that wait until they are needed: packages that only an extra installs, and the public names of a package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

from edgekit.errors import MissingDependency


def require(package: str, *, extra: str) -> ModuleType:
    """Import a package that only an extra installs. Modules that are reached through this call import it normally.

    Args:
        package: import name, such as "torch" or "matplotlib.figure".
        extra: the extra of edgekit that installs it.

    Raises:
        MissingDependency: it is not installed; the message is the pip command to run.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise  # the package is installed, but one of its own dependencies is not: that message is the better one
        raise MissingDependency(package.split(".")[0], extra=extra) from None


def export_lazily(package: str, homes: Mapping[str, str], *, extra: str | None = None) -> None:
    """Make names attributes of a package, each imported from its home module when it is first used.

    `dir` of the package then lists exactly these names. A package calls this in its `__init__`, out of sight of type
    checkers, which read the same names from imports under `TYPE_CHECKING`.

    Args:
        package: full name of the package, its `__name__`.
        homes: for each public name, the module that defines it, relative to the package; ".room.module" is
            that of another room.
        extra: the extra that installs what the home modules import. MissingDependency names it if that fails.
    """
    module = cast(_LazyPackage, sys.modules[package])
    module.__class__ = _LazyPackage
    module.__dict__.update(_homes=homes, _extra=extra)


class _LazyPackage(ModuleType):
    """A package with lazy exports."""

    _homes: Mapping[str, str]
    _extra: str | None

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        try:
            home = importlib.import_module(f".{self._homes[name]}", self.__name__)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if self._extra is None or missing in ("", "edgekit"):
                raise
            raise MissingDependency(missing, extra=self._extra) from None
        value = self.__dict__[name] = getattr(home, name)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds each submodule that it has imported. A public name wins over one of the same name:
        # `edgekit.export.adopt` is the function, whatever was imported first.
        if name not in self._homes:
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(self.__all__)
