"""Which modules of edgekit a program needs, from the import statements in their sources."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from importlib.resources import files

_PACKAGE = "edgekit"


def program_modules(module: str, *, left_out: Collection[str] = ()) -> dict[str, bytes]:
    """Collect a module of edgekit and all others that it imports, directly or not, also inside functions.

    Imports under TYPE_CHECKING do not count.

    Args:
        module: full name of the module.
        left_out: full names of modules that the program never comes to, with what only they import.

    Returns:
        The source of each module by its path in an archive, such as "edgekit/errors.py".
    """
    sources: dict[str, bytes] = {}
    waiting = [module]
    seen = set(left_out)
    while waiting:
        name = waiting.pop()
        if name in seen or name.partition(".")[0] != _PACKAGE:
            continue
        seen.add(name)
        found = _source(name)
        if found is not None:  # else a name that is imported from a module
            path, source = found
            sources[path] = source
            waiting += [name.rpartition(".")[0], *_imported(ast.parse(source))]
    return dict(sorted(sources.items()))


def _source(module: str) -> tuple[str, bytes] | None:
    """The path and the content of a module or of a package's __init__; None if there is no such module."""
    first, *parts = module.split(".")
    for path in ("/".join([*parts, "__init__.py"]), "/".join(parts) + ".py"):
        file = files(first) / path
        if file.is_file():
            return f"{first}/{path}", file.read_bytes()
    return None


def _imported(node: ast.AST) -> Iterator[str]:
    """Names of what may be modules in the import statements below a node."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for statement in node.orelse:
            yield from _imported(statement)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)
