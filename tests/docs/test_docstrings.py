"""The docstrings of the public API: complete, and with examples that print what they show."""

import doctest
import importlib
import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_public import DOORS, fields_of, has_constructor, is_result, public_members, public_objects

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+)(?: \(.+\))?: ", re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def documented() -> Iterator[tuple[str, object]]:
    """Every public class and function, and the methods and properties of the classes, each once."""
    seen = set()
    for name, value in public_objects():
        if isinstance(value, str) or id(value) in seen:
            continue
        seen.add(id(value))
        yield name, value
        for member, definition in public_members(value) if isinstance(value, type) else ():
            function = getattr(definition, "fget", None) or getattr(definition, "__func__", definition)
            if inspect.isfunction(function) and id(function) not in seen:
                seen.add(id(function))
                yield f"{name}.{member}", function


def sections(value: object) -> dict[str, str]:
    """The sections of a docstring by their titles; what comes first has the title ""."""
    texts = ["", *_SECTION.split(inspect.getdoc(value) or "")]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def parameters(value: object) -> list[str]:
    """The names of the parameters that a caller passes."""
    if isinstance(value, type) and not has_constructor(value):
        return []
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls")]


DOCUMENTED = dict(documented())
EXAMPLES = {
    name: inspect.getdoc(value)
    for name, value in {**DOCUMENTED, **{door: importlib.import_module(door) for door in DOORS}}.items()
    if "Example" in sections(value)
}
# What users call with arguments: functions of the doors and classes that are not only results.
CALLED = [name for name, value in public_objects() if callable(value) and parameters(value) and not is_result(value)]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_begins_with_a_sentence(name):
    summary = sections(DOCUMENTED[name])[""].partition("\n")[0]
    assert summary.endswith(".")
    assert summary[0].isupper() or summary[0] in "0123456789`\"'"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_documents_exactly_the_parameters(name):
    value = DOCUMENTED[name]
    found = sections(value)
    entries = _ENTRY.findall(found.get("Attributes" if is_result(value) else "Args", ""))
    if not (isinstance(value, type) and issubclass(value, Exception)):
        assert entries == (list(fields_of(value)) if is_result(value) else parameters(value))


@pytest.mark.parametrize("name", CALLED)
def test_docstring_has_errors_and_an_example(name):
    assert {"Raises", "Example"} <= sections(dict(public_objects())[name]).keys()


@pytest.fixture
def folder(readers_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's folder, in which an example may write files without changing it."""
    for path in readers_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_prints_what_it_shows(folder, name):
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], {}, name, None, 0)
    assert not any(doctest.SKIP in part.options for part in example.examples)
    report = io.StringIO()
    doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(example, out=report.write)
    assert report.getvalue() == ""
