"""Starts classify.pyz, as its __main__. Any Python from 3.7 can read it, to state what is missing in one line."""

from __future__ import annotations

import importlib.util
import pkgutil
import shlex
import sys

_MODULES = {"pillow": "PIL"}  # where the module is not named like its distribution


def _missing(requirements: list[str]) -> list[str]:
    names = [line.partition("==")[0] for line in requirements]
    return [name for name in names if importlib.util.find_spec(_MODULES.get(name, name)) is None]


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("error: needs Python 3.11 or later (this is {}.{})".format(*sys.version_info))
    _requirements = (pkgutil.get_data("edgekit.bundle.python", "requirements.txt") or b"").decode().split()
    _absent = _missing(_requirements)
    if _absent:
        _command = shlex.join([sys.executable, "-m", "pip", "install", *_requirements])
        sys.exit(f"error: not installed: {', '.join(_absent)}; run: {_command}")
    from edgekit.bundle.python.classify import main

    sys.exit(main(sys.argv[1:]))
