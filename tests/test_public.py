"""The public API: its names, and the signatures behind them, as pinned in public_api.txt.

After a change that is meant, write the table anew and review its diff:

    python tests/made/made_public.py > tests/public_api.txt
"""

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest
from made_public import DOORS, is_result, public_objects, table

from edgekit import EdgekitError

TABLE = Path(__file__).with_name("public_api.txt")


def test_public_api_is_the_pinned_one():
    assert table() == TABLE.read_text(encoding="utf-8"), __doc__


def test_dir_lists_exactly_the_public_names():
    for door in DOORS:
        module = importlib.import_module(door)
        assert dir(module) == sorted(module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)


def test_type_checkers_see_the_same_names():
    """They read the imports under TYPE_CHECKING, at run time the names are looked up in _HOMES."""
    for door in DOORS:
        module = importlib.import_module(door)
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        (block,) = (node for node in tree.body if isinstance(node, ast.If))
        seen = {}
        for statement in block.body:
            (alias,) = statement.names
            assert alias.asname == alias.name  # else it is not exported
            seen[alias.name] = statement.module
        assert seen == {name: resolve_name(f".{home}", door) for name, home in module._HOMES.items()}


def test_telemetry_is_off_before_onnxruntime_can_be_imported():
    program = "import os, edgekit; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert done.stdout == "1\n"


class Wrong:
    """What no argument may be."""


CALLED = {name: value for name, value in public_objects() if callable(value) and not is_result(value)}


@pytest.mark.parametrize(
    "wrong", [Wrong(), [Wrong()], None, 10**5000, "\x00" * 10**6], ids=lambda wrong: type(wrong).__name__
)
@pytest.mark.parametrize("name", CALLED)
def test_wrong_arguments_are_errors_of_one_line(name, wrong):
    """Each argument alone, with the required ones, which are as wrong: never a traceback from inside."""
    parameters = inspect.signature(CALLED[name]).parameters.values()
    required = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL}
    for parameter in parameters:
        if "Callable" in str(parameter.annotation) or "Progress" in str(parameter.annotation):
            continue  # called later, if at all
        if wrong is None and parameter.default is None and not required:
            continue  # right
        is_one_of_many = parameter.kind is parameter.VAR_POSITIONAL
        positional = [wrong] if is_one_of_many else []
        named = dict.fromkeys(required if is_one_of_many else {*required, parameter.name}, wrong)
        with pytest.raises(EdgekitError) as caught:
            CALLED[name](*positional, **named)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) <= 2000
